/**
 * What a learner tells other processes of what it saw, and makes of what they saw: answers, not what was made of them.
 *
 * For each lesson the last few answers are kept in common, in the order in which they were told. Whoever takes them up learns
 * anew from those, by the same rules as from its own, so it does not matter how often it reads them, nor who had seen which: an
 * answer is among them once, since it is told once or, where nobody knows whether it was, not again. And what a process tells
 * that is wrong does there what it would do here: a lesson is as bounded as ever, and is put right by as many answers.
 *
 * Bounded: so many lessons at a time have something to tell, and each only as many answers as are kept in common.
 */
import type { LessonNews } from '../store/store.js';
import type { About, Lesson, LessonBook, Lessons, Note } from './lessons.js';

/** Lessons of identities that have something to tell at a time; of others nothing is told meanwhile. */
const freshMax = 4_096;
/** Longer names of model and identity are not told, UTF-16 code units together. */
const namesLengthMax = 512;
/** How soon a lesson is told again of which as many answers as are kept were told, ms: others know it well enough. */
const againMs = 60_000;

/** How an answer is written down. */
export interface AnswerForm<A> {
  /** Of the learner; another one whenever its answers are written otherwise. */
  readonly name: string;
  /** Length of one answer. */
  readonly bytes: number;
  /** Answers kept of each lesson. */
  readonly answersMax: number;
  write(answer: A, view: DataView, at: number): void;
  /** Undefined for what is none. */
  read(view: DataView, at: number): A | undefined;
}

/** News of one lesson on their way. */
export interface Telling extends LessonNews {
  /** They were not told: they are told another time. */
  takeBack(): void;
}

/** A learner, as the exchange with other processes sees it. */
export interface SharedLearner {
  /** What the names of its lessons begin with. */
  readonly name: string;
  /**
   * What is to be told, the widest lessons first; it counts as told from here.
   * @param now the clock's
   * @param isLast whether there will be no other time
   */
  tell(lessonsMax: number, now: number, isLast: boolean): Telling[];
  /** Takes up what is kept of a lesson. False where some of it was no answer, or all of it no lesson; that is passed over. */
  hear(name: string, bytes: Uint8Array): boolean;
}

export interface SharedLessonsOptions<A, L extends Lesson<L>> {
  readonly form: AnswerForm<A>;
  readonly book: LessonBook<L, A>;
  /** Makes of a lesson what these answers teach, oldest first; returns how many did. */
  readonly teach: (lesson: L, answers: readonly A[]) => number;
}

export class SharedLessons<A, L extends Lesson<L>> implements SharedLearner {
  readonly #options: SharedLessonsOptions<A, L>;
  /** Those with news, longest so first. */
  readonly #fresh = new Set<Note<A>>();

  constructor(options: SharedLessonsOptions<A, L>) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.form.name;
  }

  /**
   * An answer was seen here.
   * @param taught the lessons that it is about: of the identity, of the model, of all, as far as there are such
   */
  note([own, ofModel, atLarge]: readonly Lessons<L, A>[], model: string, identity: string, answer: A): void {
    if (model.length + identity.length > namesLengthMax) return;
    if (own !== undefined) this.#note(own, answer, model, identity);
    if (ofModel !== undefined) this.#note(ofModel, answer, model);
    if (atLarge !== undefined) this.#note(atLarge, answer);
  }

  #note(lessons: Lessons<L, A>, answer: A, model?: string, identity?: string): void {
    let { note } = lessons;
    if (note === undefined || note.news.length === 0) {
      // Many identities never keep a model from being told of.
      if (this.#fresh.size >= (identity === undefined ? 2 * freshMax : freshMax)) return;
      note ??= { about: { model, identity }, news: [], told: 0, toldAt: 0 };
      lessons.note = note;
      this.#fresh.add(note);
    }
    note.news.push(answer);
    if (note.news.length > this.#options.form.answersMax) note.news.shift();
  }

  tell(lessonsMax: number, now: number, isLast: boolean): Telling[] {
    const { answersMax } = this.#options.form;
    const due = [...this.#fresh].filter(({ told, toldAt }) => isLast || told < answersMax || now - toldAt >= againMs);
    const narrow = ({ about }: Note<A>): number => Number(about.identity !== undefined);
    // Stable: of equals those that have waited longest.
    due.sort((one, other) => narrow(one) - narrow(other));
    return due.slice(0, lessonsMax).map((note) => this.#telling(note, now));
  }

  #telling(note: Note<A>, now: number): Telling {
    const { form } = this.#options;
    const { news } = note;
    const bytes = new Uint8Array(news.length * form.bytes);
    const view = new DataView(bytes.buffer);
    for (const [at, answer] of news.entries()) form.write(answer, view, at * form.bytes);
    note.news = [];
    note.told += news.length;
    note.toldAt = now;
    this.#fresh.delete(note);
    return {
      name: `${form.name}/${nameOf(note.about)}`,
      bytes,
      bytesMax: form.answersMax * form.bytes,
      takeBack: () => {
        note.news = [...news, ...note.news].slice(-form.answersMax);
        note.told -= news.length;
        this.#fresh.add(note);
      },
    };
  }

  hear(name: string, bytes: Uint8Array): boolean {
    const { form, book, teach } = this.#options;
    const about = aboutOf(name.slice(form.name.length + 1));
    if (about === undefined || bytes.length === 0 || bytes.length % form.bytes !== 0) return false;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const kept: A[] = [];
    const from = Math.max(0, bytes.length - form.answersMax * form.bytes);
    for (let at = from; at < bytes.length; at += form.bytes) {
      const answer = form.read(view, at);
      if (answer !== undefined) kept.push(answer);
    }
    // What was not told yet is not among them.
    book.hear(about, (lesson, untold) => teach(lesson, [...kept, ...untold]));
    return kept.length === (bytes.length - from) / form.bytes;
  }
}

/** In which no two lessons have the same name. */
function nameOf({ model, identity }: About): string {
  if (model === undefined) return 'all';
  return identity === undefined ? `model/${model}` : `identity/${model.length}:${model}${identity}`;
}

/** The lesson of that name; undefined for what is none. */
function aboutOf(name: string): About | undefined {
  if (name === 'all') return { model: undefined, identity: undefined };
  if (name.startsWith('model/')) return { model: name.slice(6), identity: undefined };
  const [head, length] = /^identity\/(\d{1,3}):/.exec(name) ?? [];
  if (head === undefined) return undefined;
  const end = head.length + Number(length);
  return end > name.length ? undefined : { model: name.slice(head.length, end), identity: name.slice(end) };
}
