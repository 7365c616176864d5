/**
 * What answers teach, at three widths: of this identity on this model, of the model, of models at large. The narrowest that
 * has seen enough answers counts; a new one begins as a copy of the next wider one, so that nothing is learned twice.
 * Bounded: of models and of identities those are kept that were used last.
 */
import { LRUCache } from 'lru-cache';

const modelsMax = 1_000;
const identitiesMax = 10_000;
/** Models of one identity. */
const ownModelsMax = 16;

export interface Lesson<Self> {
  copy(): Self;
}

class Lessons<L> {
  readonly lesson: L;
  seen = 0;

  constructor(lesson: L) {
    this.lesson = lesson;
  }
}

export interface LessonRules {
  /** Answers after which a width counts by itself. */
  readonly enough: number;
  /** Whether one model's answers say something about another, new one. */
  readonly acrossModels: boolean;
}

export class LessonBook<L extends Lesson<L>> {
  readonly #rules: LessonRules;
  readonly #atLarge: Lessons<L>;
  readonly #byModel = new LRUCache<string, Lessons<L>>({ max: modelsMax });
  /** By identity, then by model: both are known to the request, a key made of the two would have to be put together. */
  readonly #byIdentity = new LRUCache<string, Map<string, Lessons<L>>>({ max: identitiesMax });

  constructor(first: L, rules: LessonRules) {
    this.#atLarge = new Lessons(first);
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

  /** Changes every lesson that an answer of this model to this identity is about. */
  teach(model: string, identity: string, change: (lesson: L) => void): void {
    let ofModel = this.#byModel.get(model);
    if (ofModel === undefined) {
      ofModel = new Lessons(this.#atLarge.lesson.copy());
      this.#byModel.set(model, ofModel);
    }
    const own = this.#own(model, identity, ofModel);
    for (const lessons of this.#rules.acrossModels ? [own, ofModel, this.#atLarge] : [own, ofModel]) {
      change(lessons.lesson);
      lessons.seen++;
    }
  }

  #own(model: string, identity: string, ofModel: Lessons<L>): Lessons<L> {
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
