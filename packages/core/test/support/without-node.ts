/** What the test runner brings into a runtime of the edge kind, and that is not there: whoever uses it fails. */
for (const name of ['Buffer', 'setImmediate', 'clearImmediate', 'global', 'require']) {
  Reflect.deleteProperty(globalThis, name);
}
