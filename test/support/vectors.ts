/** The two credentials that public clients of the format publish as examples. They belong to no key. */
export const vectors = {
  v1: {
    text: 'essu_dev_djE6MGI2UTVjUTNRUkN6N2FmTlY1VXNJQToyN256a21YZU05bjhWWklqWEZ4ZTF5OStpNzNBa3BUTGNlMW8yQ2VLclhJPQAAAAAJQBl0',
    id: '0b6Q5cQ3QRCz7afNV5UsIA',
    secret: '27nzkmXeM9n8VZIjXFxe1y9+i73AkpTLce1o2CeKrXI=',
    crc: '09401974',
  },
  legacy: {
    text: 'essu_dev_TnpKcmMyVTFkMEo2WW5scU5XUm9PVWw2TVRNNmJqSXRVbWxTVEZNeVowNVRkMWhUVWpCd1l6SjBadz09AAAAAN10T0s=',
    id: '72kse5wBzbyj5dh9Iz13',
    secret: 'n2-RiRLS2gNSwXSR0pc2tg',
    crc: 'dd744f4b',
  },
} as const;
