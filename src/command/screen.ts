import { cursorTo, clearScreenDown } from 'node:readline';

/** `q`, Ctrl-C and Ctrl-D. */
const endKeys = ['q', '\u0003', '\u0004'];

const suspendKey = '\u001a';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The terminal's alternate screen, which leaves the previous content as it was. */
export class Screen {
  readonly #onStop: () => void;
  readonly #onKeys = (keys: Buffer) => {
    // Raw keys are no signals: this is what the terminal would have done.
    if (keys.includes(suspendKey)) return this.#suspend();
    // Several keys may arrive at once.
    if (endKeys.some(key => keys.includes(key))) this.#onStop();
  };
  /** After `fg` the terminal is as the shell left it. */
  readonly #onContinue = () => this.#enter();
  readonly #draw = () => {
    // A terminal that does not know its size says 0.
    const height = process.stdout.rows || 24;
    const width = process.stdout.columns || 80;
    const lines = this.#text(height, width)
      .split('\n')
      .slice(0, height - 1);
    cursorTo(process.stdout, 0, 0);
    clearScreenDown(process.stdout);
    process.stdout.write(lines.map(line => line.slice(0, width)).join('\n'));
  };
  #text: (height: number, width: number) => string = () => '';

  constructor(onStop: () => void) {
    this.#onStop = onStop;
    for (const signal of signals) process.once(signal, onStop);
    process.on('SIGCONT', this.#onContinue);
    process.stdout.on('resize', this.#draw);
    process.stdin.on('data', this.#onKeys);
    this.#enter();
  }

  #enter(): void {
    process.stdout.write('\u001b[?1049h\u001b[?25l');
    if (process.stdin.isTTY) process.stdin.setRawMode(true);
    this.#draw();
  }

  /** Ctrl-Z: gives the terminal back, and stops until `fg`. */
  #suspend(): void {
    if (process.platform === 'win32') return;
    this.#leave();
    process.kill(0, 'SIGTSTP'); // npx too, and the shell that it has started
  }

  #leave(): void {
    if (process.stdin.isTTY) process.stdin.setRawMode(false);
    process.stdout.write('\u001b[?25h\u001b[?1049l');
  }

  /** @param text makes the text for a terminal of `height` lines and `width` columns */
  show(text: (height: number, width: number) => string): void {
    this.#text = text;
    this.#draw();
  }

  [Symbol.dispose](): void {
    for (const signal of signals) process.off(signal, this.#onStop);
    process.off('SIGCONT', this.#onContinue);
    process.stdout.off('resize', this.#draw);
    process.stdin.off('data', this.#onKeys).pause();
    this.#leave();
  }
}
