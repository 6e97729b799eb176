// Whether a server that died is started again. Knows nothing of VS Code.

const MOST = 4;
const WITHIN_MS = 180_000;

export class Restarts {
  private deaths: number[] = [];

  /** What follows a death: whether to start again, and whether to say so. Each is said once; after a calm time the count begins anew. */
  died(now: number): { restart: boolean; tell: boolean } {
    this.deaths = [...this.deaths.filter((time) => now - time < WITHIN_MS), now];
    const restart = this.deaths.length <= MOST;
    return { restart, tell: this.deaths.length === 1 || !restart };
  }
}
