/** How much there was lately: whole minutes, as many as fit. */

/** What "lately" means on the dashboard. */
export const latelyMinutes = 10;
const minuteMs = 60_000;

export class Tally {
  /** One cell a minute, used round and round. */
  readonly #cells: number[] = [];
  /** The minute that was written to last. */
  #minute = 0;

  add(amount: number, wall: number): void {
    this.#forget(wall);
    const cell = this.#minute % latelyMinutes;
    this.#cells[cell] = (this.#cells[cell] ?? 0) + amount;
  }

  /** The sum of this minute and the nine before it. */
  sum(wall: number): number {
    this.#forget(wall);
    return this.#cells.reduce((sum, amount) => sum + amount, 0);
  }

  #forget(wall: number): void {
    const minute = Math.floor(wall / minuteMs);
    // A clock that was put back changes nothing until it is where it was.
    if (minute <= this.#minute) return;
    const passed = Math.min(minute - this.#minute, latelyMinutes);
    for (let ago = 0; ago < passed; ago++) this.#cells[(minute - ago) % latelyMinutes] = 0;
    this.#minute = minute;
  }
}
