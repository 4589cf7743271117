/** Shells that a machine may lack. */
export const OTHER_SHELLS = ['zsh', 'fish'] as const;
