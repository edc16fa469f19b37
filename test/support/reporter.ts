import mocha from 'mocha';

/** Mocha's own report, then one plain line that a machine can read. */
export default class Reporter extends mocha.reporters.Spec {
  override epilogue(): void {
    super.epilogue();
    const { passes, failures, pending } = this.stats;
    console.log(`${passes} passed, ${failures} failed, ${pending} skipped`);
  }
}
