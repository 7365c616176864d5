/**
 * How every property is run: with a fixed seed, so that a red run is red for everyone, and with one fresh seed a run, so that
 * new histories are tried for ever. fast-check prints the seed and the path of a failure; `HEADGATE_SEED` tries one again.
 */
import fc from 'fast-check';

const fixedSeed = 20_260_105;
const freshSeed = Number(process.env.HEADGATE_SEED ?? Math.floor(Math.random() * 2 ** 31));

export interface Effort<Inputs> {
  /** Histories tried with each of the two seeds. */
  readonly runs?: number;
  /** Inputs that broke the property once; tried first. */
  readonly examples?: Inputs[];
}

export async function holds<Inputs>(
  property: fc.IAsyncProperty<Inputs> | fc.IProperty<Inputs>,
  { runs = 200, examples = [] }: Effort<Inputs> = {},
): Promise<void> {
  await fc.assert(property as fc.IAsyncProperty<Inputs>, { seed: fixedSeed, numRuns: runs, examples });
  try {
    await fc.assert(property as fc.IAsyncProperty<Inputs>, { seed: freshSeed, numRuns: runs });
  } catch (error) {
    throw new Error(`with the fresh seed of this run, HEADGATE_SEED=${freshSeed}`, { cause: error });
  }
}
