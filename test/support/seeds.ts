/**
 * How every property is run: with a fixed seed, so that what is red is red for everyone and a change is not judged by luck.
 * `HEADGATE_SEED` tries the histories of one more; `npm run fuzz` draws one after the other.
 */
import fc from 'fast-check';

const fixedSeed = 20_260_105;
const asked = process.env.HEADGATE_SEED;

/** Of a property: none, or the one that was asked for. */
export const moreSeeds: readonly number[] = asked === undefined ? [] : [Number(asked)];

export interface Effort<Inputs> {
  /** Histories tried with each seed. */
  readonly runs?: number;
  /** Inputs that broke the property once; tried first. */
  readonly examples?: Inputs[];
}

export async function holds<Inputs>(
  property: fc.IAsyncProperty<Inputs> | fc.IProperty<Inputs>,
  { runs = 200, examples = [] }: Effort<Inputs> = {},
): Promise<void> {
  await fc.assert(property as fc.IAsyncProperty<Inputs>, { seed: fixedSeed, numRuns: runs, examples });
  for (const seed of moreSeeds) {
    try {
      await fc.assert(property as fc.IAsyncProperty<Inputs>, { seed, numRuns: runs });
    } catch (error) {
      throw new Error(`with HEADGATE_SEED=${seed}`, { cause: error });
    }
  }
}
