/*
 * How plain data lies in a message. The keys of an object travel once per channel: its shape, which
 * is its list of keys, is defined by the first message with an object of that shape, and later ones
 * name the shape by its number and carry the values alone.
 *
 *   0        1                                              length - 4
 *   | magic  | flags | one value ...  [ definitions ...     | offset of the definitions ]
 *
 * What stands in brackets is there if `flags` says so. Numbers are little endian.
 *
 *   value        tag, then what the tag says; object: shape (2), the values in the shape's order
 *   definitions  count (4), each: number (2), count of keys (4), each key as a string value
 *
 * Shapes with a number below `maxShapes` stay defined until another definition takes the
 * number. Higher numbers hold within their message only: for objects with too many keys, and
 * where there are too many shapes for remembering them to pay.
 */

/** MessagePack never begins so, and V8's serializer begins with 0xff. */
export const magic = 0xc1;

export const Flag = {
  definitions: 1,
  /** There are references, so the reader has to count what can be referred to. */
  references: 2,
} as const;

export const headerBytes = 2;

/** Values deeper than this are left to V8. */
export const maxDepth = 64;

/** Shapes that stay defined. */
export const maxShapes = 256;
/** Their keys, so that a peer cannot make us remember more than about a megabyte. */
export const maxShapeKeys = 64;
/** UTF-16 units of all keys of a shape together. */
export const maxShapeUnits = 1024;
/** The number of a shape takes two bytes. */
export const shapeNumbers = 65536;

/** The first byte of a value. */
export const Tag = {
  /** 0 to 127 are themselves. */
  maxSmall: 127,
  /** 128 to 191: a string of 0 to 63 characters of a byte each. */
  shortString: 128,
  maxShortString: 63,
  /** 192 to 207: an array of 0 to 15 values. */
  shortArray: 192,
  maxShortArray: 15,
  null: 208,
  undefined: 209,
  false: 210,
  true: 211,
  /** 4 bytes, signed. */
  integer: 212,
  /** 8 bytes. */
  float: 213,
  /** 8 bytes, signed. */
  bigint: 214,
  /** Milliseconds since the epoch, as a float. */
  date: 215,
  /** Length (4), then a byte for each character. */
  string: 216,
  /** Length (4), then two bytes for each UTF-16 unit. */
  wideString: 217,
  /** Count (4), then the values. */
  array: 218,
  /** Length (4), then the bytes; a Buffer or a Uint8Array. */
  buffer: 219,
  bytes: 220,
  object: 221,
  /** Which (4) of the arrays, objects, dates and bytes that began before, the first being 0. */
  reference: 222,
  /*
   * These two are never sent: an encoder writes them for itself, in a message that is not plain and
   * whose accessors have run already.
   */
  /** Which (4) of the values that are not plain. */
  foreign: 223,
  /** Count (4) of missing elements of an array. */
  holes: 224,
} as const;
