@rem npm scripts begin with exec, a word of the shell on Unix. The shell of Windows finds this file under that name.
@%*
