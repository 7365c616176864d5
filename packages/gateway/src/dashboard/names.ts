/** Names that clients chose, made fit to be sent: the page shows them as text, and here they get an end. */

const charactersMax = 120;

/** Control characters and those that turn the direction of text would let a name pretend to be another. */
const invisible = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

export function shown(name: string): string {
  // Cut before it is gone through: a name may be as long as a body.
  const text = name.slice(0, 2 * charactersMax + 2).replace(invisible, '\u{fffd}');
  const characters = [...text];
  return characters.length <= charactersMax ? text : `${characters.slice(0, charactersMax - 1).join('')}…`;
}
