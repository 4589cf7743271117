/** The call with which a region asks the control plane to repair its buckets. */
export const REPAIRS_PATH = '/internal/v1/repairs';
