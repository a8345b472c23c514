// How a process of ours speaks to the benchmark that started it, and why it ends with it.

/** Says one message. */
export function say(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

// Whoever started this process closes its input to end it, and closes it by dying too.
process.stdin.on("end", () => process.exit()).resume();
