// Reads from an addon's file what matters to the program that loads it: ELF, Mach-O and PE, 64
// bits, little-endian. Throws if the file is none of them.
import { readFileSync } from 'node:fs';

/**
 * @typedef {object} Binary
 * @property {'elf' | 'macho' | 'pe'} format
 * @property {'x64' | 'arm64' | 'unknown'} arch
 * @property {string[]} libraries that it asks for
 * @property {{ name: string, version?: string }[]} imports the symbols it asks for
 * @property {string[]} exports
 * @property {boolean} [stays] ELF: it asks not to be unloaded
 * @property {boolean} [hasThreadData] ELF: it has variables of which each thread has its own
 * @property {string} [system] Mach-O: the oldest macOS it runs on
 * @property {boolean} [signed] Mach-O: it carries a signature
 */

/** @returns {Binary} */
export function readBinary(path) {
  const file = readFileSync(path);
  switch (file.readUInt32LE(0)) {
    case 0x464c457f:
      return readElf(file);
    case 0xfeedfacf:
      return readMachO(file);
    default:
      if (file.toString('latin1', 0, 2) === 'MZ') return readPe(file);
      throw new Error(`${path} is neither ELF nor Mach-O nor PE`);
  }
}

const text = (file, offset) => file.toString('utf8', offset, file.indexOf(0, offset));
const long = (file, offset) => Number(file.readBigUInt64LE(offset));

function readElf(file) {
  const arch = { 0x3e: 'x64', 0xb7: 'arm64' }[file.readUInt16LE(18)] ?? 'unknown';
  const sections = Array.from({ length: file.readUInt16LE(60) }, (_, i) => {
    const at = long(file, 40) + i * file.readUInt16LE(58);
    return {
      type: file.readUInt32LE(at + 4),
      flags: long(file, at + 8),
      offset: long(file, at + 24),
      size: long(file, at + 32),
      link: file.readUInt32LE(at + 40),
      info: file.readUInt32LE(at + 44),
    };
  });
  const find = type => sections.find(section => section.type === type);
  const name = (section, offset) => text(file, sections[section.link].offset + offset);

  const versions = new Map();
  const needed = find(0x6ffffffe);
  for (let i = 0, at = needed?.offset; i < (needed?.info ?? 0); i++) {
    for (let j = 0, aux = at + file.readUInt32LE(at + 8); j < file.readUInt16LE(at + 2); j++) {
      versions.set(file.readUInt16LE(aux + 6), name(needed, file.readUInt32LE(aux + 8)));
      aux += file.readUInt32LE(aux + 12);
    }
    at += file.readUInt32LE(at + 12);
  }

  const imports = [];
  const exports = [];
  const symbols = find(11);
  const versionOf = find(0x6fffffff);
  for (let i = 1; i < symbols.size / 24; i++) {
    const at = symbols.offset + i * 24;
    const symbol = name(symbols, file.readUInt32LE(at));
    const isDefined = file.readUInt16LE(at + 6) !== 0;
    const version = versionOf && file.readUInt16LE(versionOf.offset + i * 2) & 0x7fff;
    if (isDefined) exports.push(symbol);
    else imports.push({ name: symbol, version: versions.get(version) });
  }

  const libraries = [];
  let stays = false;
  const dynamic = find(6);
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size; at += 16) {
    const tag = long(file, at);
    if (tag === 1) libraries.push(name(dynamic, long(file, at + 8)));
    if (tag === 0x6ffffffb) stays = (long(file, at + 8) & 8) !== 0;
  }
  const hasThreadData = sections.some(({ flags }) => (flags & 0x400) !== 0);
  return { format: 'elf', arch, libraries, imports, exports, stays, hasThreadData };
}

function readMachO(file) {
  const arch = { 0x1000007: 'x64', 0x100000c: 'arm64' }[file.readUInt32LE(4)] ?? 'unknown';
  const result = { format: 'macho', arch, libraries: [], imports: [], exports: [], signed: false };
  for (let i = 0, at = 32; i < file.readUInt32LE(16); i++, at += file.readUInt32LE(at + 4)) {
    const command = file.readUInt32LE(at);
    if (command === 0xc || command === 0x80000018) {
      result.libraries.push(text(file, at + file.readUInt32LE(at + 8)));
    } else if (command === 0x1d) {
      result.signed = true;
    } else if (command === 0x32) {
      result.system = `${file.readUInt16LE(at + 14)}.${file.readUInt8(at + 13)}`;
    } else if (command === 0x2) {
      const [symbols, count, strings] = [8, 12, 16].map(field => file.readUInt32LE(at + field));
      for (let j = 0; j < count; j++) {
        const symbol = symbols + j * 16;
        const type = file.readUInt8(symbol + 4);
        if ((type & 0xe0) !== 0 || (type & 1) === 0) continue; // for debuggers, or not external
        const name = text(file, strings + file.readUInt32LE(symbol)).replace(/^_/, '');
        if ((type & 0xe) === 0) result.imports.push({ name });
        else if ((type & 0x10) === 0) result.exports.push(name);
      }
    }
  }
  return result;
}

function readPe(file) {
  const header = file.readUInt32LE(60);
  const arch = { 0x8664: 'x64', 0xaa64: 'arm64' }[file.readUInt16LE(header + 4)] ?? 'unknown';
  const optional = header + 24;
  const sections = Array.from({ length: file.readUInt16LE(header + 6) }, (_, i) => {
    const at = optional + file.readUInt16LE(header + 20) + i * 40;
    return [8, 12, 20].map(field => file.readUInt32LE(at + field));
  });
  const place = address => {
    const [, start, offset] = sections.find(
      ([size, from]) => address >= from && address < from + size,
    );
    return address - start + offset;
  };
  const directory = index => file.readUInt32LE(optional + 112 + index * 8);

  const exports = [];
  if (directory(0) !== 0) {
    const at = place(directory(0));
    const names = place(file.readUInt32LE(at + 32));
    for (let i = 0; i < file.readUInt32LE(at + 24); i++) {
      exports.push(text(file, place(file.readUInt32LE(names + i * 4))));
    }
  }
  const libraries = [];
  const imports = [];
  for (let at = place(directory(1)); file.readUInt32LE(at + 12) !== 0; at += 20) {
    libraries.push(text(file, place(file.readUInt32LE(at + 12))));
    for (let slot = place(file.readUInt32LE(at)); long(file, slot) !== 0; slot += 8) {
      const address = file.readBigUInt64LE(slot);
      if (address >> 63n === 0n) imports.push({ name: text(file, place(Number(address)) + 2) });
    }
  }
  return { format: 'pe', arch, libraries, imports, exports };
}
