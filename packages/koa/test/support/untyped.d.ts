/** A package that brings no types of its own. */
declare module 'koa2' {
  export { default } from 'koa';
}
