/** A tool as a request declares it. */
export interface ToolDefinition {
  type?: string;
  function?: { name?: string; description?: string; parameters?: unknown };
}

export interface ToolCall {
  id: string;
  index: number;
  name: string;
  arguments: Record<string, unknown>;
}

/** What one flush carries. `tokens` were generated for it; text held back by a parser has tokens and no text. */
export interface Piece {
  tokens: number;
  thinking?: string;
  content?: string;
  toolCall?: ToolCall;
}

export interface AnswerPlan {
  pieces: Iterable<Piece>;
  /** Why the model stops after the last piece. */
  reason: 'stop' | 'length';
}

export interface AnswerWish {
  seed: string;
  /** Tokens the model would like to write. */
  natural: number;
  /** Tokens it may write. */
  cap: number;
  thinking: boolean;
  toolCall: Omit<ToolCall, 'id' | 'index'> | undefined;
  /** The text to say instead of words, when the format is prescribed. */
  fixedText: string | undefined;
  stop: readonly string[];
}

const WORDS = (
  'the water river gate field canal morning evening light stone path garden open slow quiet steady small great green ' +
  'early late near under over through along across before after people carry follow measure share keep bring turn ' +
  'reach enough season summer winter spring harvest village bridge mill wheel rain cloud wind valley hill road market ' +
  'bread salt wood iron paper letter music story answer question'
).split(' ');

/** Tokens of a tool call, all held back until it is complete. */
const TOOL_CALL_TOKENS = 8;

/** 32 bits of FNV-1a: spreads requests over answers without chance. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}

/** A repeatable sequence of 32-bit numbers (xorshift). */
export function numberSequence(seed: number): () => number {
  let state = seed || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
}

/** Letters and digits of an id, such as the eight after `call_`. */
export function idFrom(text: string, length: number, alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789'): string {
  const next = numberSequence(hashText(text));
  let id = '';
  while (id.length < length) id += alphabet[(next() >>> 8) % alphabet.length];
  return id;
}

/** The same request always gets the same answer, one piece a token. */
export function planAnswer(wish: AnswerWish): AnswerPlan {
  const natural = naturalPieces(wish);
  let reason: AnswerPlan['reason'] = 'stop';
  function* capped(): Iterable<Piece> {
    let left = wish.cap;
    let said = '';
    for (const piece of natural) {
      if (piece.tokens > left) {
        reason = 'length';
        if (left > 0) yield { tokens: left };
        return;
      }
      left -= piece.tokens;
      if (piece.content === undefined || wish.stop.length === 0) {
        yield piece;
        continue;
      }
      const cut = stopAt(said, piece.content, wish.stop);
      said += piece.content;
      if (cut === undefined) yield piece;
      else {
        yield { tokens: piece.tokens, content: piece.content.slice(0, cut) };
        return;
      }
    }
  }
  return {
    pieces: capped(),
    get reason() {
      return reason;
    },
  };
}

function* naturalPieces(wish: AnswerWish): Iterable<Piece> {
  const next = numberSequence(hashText(wish.seed));
  const thinkingTokens = wish.thinking ? Math.min(Math.max(1, Math.floor(wish.natural / 3)), wish.natural) : 0;
  for (let token = 0; token < thinkingTokens; token++) yield { tokens: 1, thinking: word(next, token, thinkingTokens) };
  if (wish.toolCall !== undefined) {
    const id = `call_${idFrom(wish.seed, 8)}`;
    yield { tokens: TOOL_CALL_TOKENS, toolCall: { id, index: 0, ...wish.toolCall } };
    return;
  }
  if (wish.fixedText !== undefined) {
    for (let at = 0; at < wish.fixedText.length; at += 4) {
      yield { tokens: 1, content: wish.fixedText.slice(at, at + 4) };
    }
    return;
  }
  const spoken = wish.natural - thinkingTokens;
  for (let token = 0; token < spoken; token++) yield { tokens: 1, content: word(next, token, spoken) };
}

function word(next: () => number, token: number, count: number): string {
  const chosen = WORDS[(next() >>> 8) % WORDS.length] as string;
  const text = token === 0 ? chosen[0]?.toUpperCase() + chosen.slice(1) : ` ${chosen}`;
  return token === count - 1 ? `${text}.` : text;
}

/** Where in `piece` the earliest stop sequence begins, counting what was said before. */
function stopAt(said: string, piece: string, stops: readonly string[]): number | undefined {
  const text = said + piece;
  const places = stops.map((stop) => (stop === '' ? -1 : text.indexOf(stop))).filter((at) => at >= 0);
  return places.length === 0 ? undefined : Math.max(0, Math.min(...places) - said.length);
}
