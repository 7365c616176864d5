/** IP addresses as eight groups of sixteen bits: IPv4 as what IPv6 maps it to, so that both are compared the same way. */
export type Groups = readonly number[];

/** Addresses that agree in their first bits. */
export interface Network {
  readonly groups: Groups;
  /** Of the 128. */
  readonly bits: number;
}

/** Bits in front of an IPv4 address that is mapped into IPv6. */
const mappedBits = 96;

/** The address, without a zone; undefined when it is none, or can be read in two ways. */
export function readIp(text: string): Groups | undefined {
  const v4 = ipv4(text);
  return v4 === undefined ? ipv6(text.split('%')[0]!) : [0, 0, 0, 0, 0, 0xffff, ...v4];
}

/** `192.0.2.7` of a mapped IPv4 address; undefined for any other. */
export function ipv4Text(groups: Groups): string | undefined {
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (!isMapped) return undefined;
  return [groups[6]! >> 8, groups[6]! & 255, groups[7]! >> 8, groups[7]! & 255].join('.');
}

/** `10.0.0.0/8`, `fd00::/8`, or one address. */
export function readNetwork(text: string): Network | undefined {
  const [address = '', length, ...rest] = text.split('/');
  const groups = readIp(address);
  if (groups === undefined || rest.length > 0 || address.includes('%')) return undefined;
  const offset = address.includes(':') ? 0 : mappedBits;
  if (length === undefined) return { groups, bits: 128 };
  if (!/^\d{1,3}$/.test(length) || offset + Number(length) > 128) return undefined;
  return { groups, bits: offset + Number(length) };
}

export function isWithin(groups: Groups, { groups: network, bits }: Network): boolean {
  return groups.every((group, index) => ((group ^ network[index]!) & maskOf(bits - index * 16)) === 0);
}

/** Of a group, when so many of the bits from its first on count. */
export function maskOf(bits: number): number {
  if (bits <= 0) return 0;
  return bits >= 16 ? 0xffff : (0xffff << (16 - bits)) & 0xffff;
}

function ipv4(text: string): [number, number] | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  // No leading zeros: some readers take them for octal, so 010.0.0.1 has two meanings.
  const isValid = parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255);
  if (!isValid) return undefined;
  const [a, b, c, d] = parts.map(Number) as [number, number, number, number];
  return [a * 256 + b, c * 256 + d];
}

function ipv6(text: string): number[] | undefined {
  if (text.length > 45 || !text.includes(':')) return undefined;
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = groupsOf(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? groupsOf(halves[1]!, true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  return [...head, ...new Array<number>(missing).fill(0), ...tail];
}

/** @param isEnd whether the address ends here: only there may the last two groups be written as IPv4 */
function groupsOf(text: string, isEnd: boolean): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (isEnd && index === parts.length - 1 && part.includes('.')) {
      const v4 = ipv4(part);
      if (v4 === undefined) return undefined;
      groups.push(...v4);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return groups;
}
