// SHA-256 (FIPS 180-4) of a text. The browser's own answers only later, and not in every page from a file.

/** The first 32 bits of the fraction of a number. */
const fractionOf = (number) => Math.floor((number % 1) * 2 ** 32) | 0;

const PRIMES = [];
for (let number = 2; PRIMES.length < 64; number += 1) {
  if (PRIMES.every((prime) => number % prime)) PRIMES.push(number);
}
const ROUND_CONSTANTS = PRIMES.map((prime) => fractionOf(Math.cbrt(prime)));
const FIRST_STATE = PRIMES.slice(0, 8).map((prime) => fractionOf(Math.sqrt(prime)));

const rotated = (word, by) => (word >>> by) | (word << (32 - by));

/** A text as whole blocks of 16 words of 32 bits: its UTF-8, a bit, zeros, and its length in bits. */
function blocksOf(text) {
  const bytes = new TextEncoder().encode(text);
  const padded = new DataView(new ArrayBuffer(64 * Math.ceil((bytes.length + 9) / 64)));
  bytes.forEach((byte, at) => padded.setUint8(at, byte));
  padded.setUint8(bytes.length, 0x80);
  padded.setUint32(padded.byteLength - 8, Math.floor(bytes.length / 2 ** 29));
  padded.setUint32(padded.byteLength - 4, bytes.length << 3);
  return padded;
}

function scheduleOf(blocks, start) {
  const words = Array.from({ length: 16 }, (_, at) => blocks.getInt32(start + 4 * at));
  for (let at = 16; at < 64; at += 1) {
    const [early, late] = [words[at - 15], words[at - 2]];
    const first = rotated(early, 7) ^ rotated(early, 18) ^ (early >>> 3);
    const second = rotated(late, 17) ^ rotated(late, 19) ^ (late >>> 10);
    words.push((words[at - 16] + first + words[at - 7] + second) | 0);
  }
  return words;
}

function sha256(text) {
  const blocks = blocksOf(text);
  const state = [...FIRST_STATE];
  for (let start = 0; start < blocks.byteLength; start += 64) {
    let [a, b, c, d, e, f, g, h] = state;
    scheduleOf(blocks, start).forEach((word, at) => {
      const chosen = (e & f) ^ (~e & g);
      const one = (h + (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)) + chosen + ROUND_CONSTANTS[at] + word) | 0;
      const most = (a & b) ^ (a & c) ^ (b & c);
      const other = ((rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) + most) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + other) | 0];
    });
    [a, b, c, d, e, f, g, h].forEach((word, at) => { state[at] = (state[at] + word) | 0; });
  }
  return state.map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}
