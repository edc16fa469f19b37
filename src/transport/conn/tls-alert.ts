import { types } from 'node:util';

/*
 * A TLS record: | type | version, 3 and a minor one | length, 2 bytes, big-endian | `length` bytes |
 */
const recordHeaderBytes = 5;
const alertType = 21;
/** Of records whose type is encrypted, as all are in TLS 1.3. */
const dataType = 23;
/** Of an encrypted alert: its two bytes, its type, and an authentication tag of 8 or 16 bytes. */
const encryptedAlerts = [2 + 1 + 8, 2 + 1 + 16];

/**
 * Whether bytes to be written are a TLS alert, and nothing besides.
 *
 * TLS says goodbye by an alert, often to a peer that has closed already. Over a `net.Socket` Node's
 * TLS writes it to the descriptor itself and ignores its failure: no user's write is behind it. Over
 * any other stream it calls `write`, and a failure would be an error of the TLS connection at its
 * ordinary end.
 */
export function isTlsAlert(chunks: readonly unknown[]): boolean {
  const [record] = chunks;
  if (chunks.length !== 1 || !types.isUint8Array(record)) return false;
  const [type, major] = record;
  const length = record[3]! * 256 + record[4]!;
  if (major !== 3 || length !== record.length - recordHeaderBytes) return false;
  return type === alertType || (type === dataType && encryptedAlerts.includes(length));
}
