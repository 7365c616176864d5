/**
 * What answers teach, at three widths: of this identity on this model, of the model, of models at large. The narrowest that
 * has seen enough answers counts; a new one begins as a copy of the next wider one, so that nothing is learned twice.
 * Bounded: of models and of identities those are kept that were used last.
 *
 * What other processes saw stands in until this one has seen enough itself, and not beyond: from then on nobody else can change
 * what it has learned.
 */
import { LRUCache } from 'lru-cache';

const modelsMax = 1_000;
const identitiesMax = 10_000;
/** Models of one identity. */
const ownModelsMax = 16;

export interface Lesson<Self> {
  copy(): Self;
}

/** What a lesson is about: an identity on a model, a model, or, with neither, models at large. */
export interface About {
  readonly model: string | undefined;
  /** Only beside a model. */
  readonly identity: string | undefined;
}

/** What is known at one width. */
export class Lessons<L, A> {
  lesson: L;
  /** Answers that it was made of, wherever they were seen. */
  seen = 0;
  /** Those that this process saw. */
  seenHere = 0;
  /** What is still to be told of it; undefined where nothing ever was. */
  note: Note<A> | undefined;

  constructor(lesson: L) {
    this.lesson = lesson;
  }
}

/** Answers about one lesson for other processes. */
export interface Note<A> {
  readonly about: About;
  /** Those that were not told yet. */
  news: A[];
  told: number;
  toldAt: number;
}

export interface LessonRules {
  /** Answers after which a width counts by itself. */
  readonly enough: number;
  /** Whether one model's answers say something about another, new one. */
  readonly acrossModels: boolean;
}

/** @typeParam A an answer, as it is told to other processes */
export class LessonBook<L extends Lesson<L>, A> {
  readonly #rules: LessonRules;
  readonly #first: L;
  readonly #atLarge: Lessons<L, A>;
  readonly #byModel = new LRUCache<string, Lessons<L, A>>({ max: modelsMax });
  /** By identity, then by model: both are known to the request, a key made of the two would have to be put together. */
  readonly #byIdentity = new LRUCache<string, Map<string, Lessons<L, A>>>({ max: identitiesMax });

  constructor(first: L, rules: LessonRules) {
    this.#first = first;
    this.#atLarge = new Lessons(first.copy());
    this.#rules = rules;
  }

  /** The lesson that counts for this identity on this model. */
  best(model: string, identity: string): L {
    const { enough } = this.#rules;
    const own = this.#byIdentity.get(identity)?.get(model);
    if (own !== undefined && own.seen >= enough) return own.lesson;
    const ofModel = this.#byModel.get(model);
    return ofModel !== undefined && ofModel.seen >= enough ? ofModel.lesson : this.#atLarge.lesson;
  }

  /** Changes every lesson that an answer of this model to this identity is about; returns them, narrowest first. */
  teach(model: string, identity: string, change: (lesson: L) => void): readonly Lessons<L, A>[] {
    const ofModel = this.#ofModel(model);
    const own = this.#own(model, identity, ofModel);
    const taught = this.#rules.acrossModels ? [own, ofModel, this.#atLarge] : [own, ofModel];
    for (const lessons of taught) {
      change(lessons.lesson);
      lessons.seen++;
      lessons.seenHere++;
    }
    return taught;
  }

  /**
   * Learns one lesson anew, from answers that others saw and those of this process among them; changes nothing once this process
   * has seen enough itself.
   * @param teach makes of a copy of the wider one what the answers teach, given what was not told yet; returns how many there were
   */
  hear({ model, identity }: About, teach: (lesson: L, untold: readonly A[]) => number): void {
    const [lessons, wider] = this.#withWider(model, identity);
    const { enough } = this.#rules;
    if (lessons.seenHere >= enough) return;
    const lesson = wider.copy();
    const seen = teach(lesson, lessons.note?.news ?? []);
    // A store that forgot what it kept takes nothing from those who know.
    if (seen === 0 || seen < Math.min(lessons.seen, enough)) return;
    lessons.lesson = lesson;
    lessons.seen = seen;
  }

  #withWider(model: string | undefined, identity: string | undefined): [Lessons<L, A>, wider: L] {
    if (model === undefined) return [this.#atLarge, this.#first];
    const ofModel = this.#ofModel(model);
    if (identity === undefined) return [ofModel, this.#atLarge.lesson];
    return [this.#own(model, identity, ofModel), ofModel.lesson];
  }

  #ofModel(model: string): Lessons<L, A> {
    let ofModel = this.#byModel.get(model);
    if (ofModel === undefined) {
      ofModel = new Lessons(this.#atLarge.lesson.copy());
      this.#byModel.set(model, ofModel);
    }
    return ofModel;
  }

  #own(model: string, identity: string, ofModel: Lessons<L, A>): Lessons<L, A> {
    let models = this.#byIdentity.get(identity);
    if (models === undefined) {
      models = new Map();
      this.#byIdentity.set(identity, models);
    }
    let own = models.get(model);
    if (own === undefined) {
      own = new Lessons(ofModel.lesson.copy());
      // The one that was met first goes; an identity that comes back to it begins as the model does.
      for (const first of models.keys()) if (models.size >= ownModelsMax) models.delete(first);
      models.set(model, own);
    }
    return own;
  }
}
