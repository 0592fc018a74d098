import { Refused } from "./api";
import { Paced } from "./paced";
import { mergePatch, type RunNote, type Sections, type SidecarAnswer, type SidecarPatch } from "./sidecar";

const NOTHING: Sections = { runs: {}, views: {}, charts: {} };
const SILENT: RunNote = {};
const PAUSE_MS = 200;

interface Pending {
  patch: SidecarPatch;
  done: (kept: boolean) => void;
}

/**
 * What people say of runs, shared by all who have the page open. A change is shown at once, and taken back if the
 * server could not keep it.
 */
export class Sidecar {
  #fetch: () => Promise<SidecarAnswer>;
  #send: (patch: SidecarPatch) => Promise<SidecarAnswer>;
  #paced = new Paced(() => this.#refresh(), PAUSE_MS);
  #version = -1;
  #pending: Pending[] = [];
  #sending = false;
  /** Answers are numbered, so that one that was asked for earlier does not take the place of a later one. */
  #asked = 0;
  #taken = 0;

  #kept = $state.raw<Sections>(NOTHING);
  /** Whether the server has told of it. */
  known = $state(false);
  /** Where it is kept: with the runs, in the user's own folder, or nowhere. */
  place = $state<SidecarAnswer["place"]>("off");
  path = $state<string | null>(null);
  writable = $state(false);
  /** Why nothing can be kept, or what is wrong with the file. */
  reason = $state<string | null>(null);
  /** Why the last change was not kept, for a toast. */
  problem = $state<string | null>(null);
  /** What is said, changes on their way included. */
  sections = $state.raw<Sections>(NOTHING);

  constructor(fetch: () => Promise<SidecarAnswer>, send: (patch: SidecarPatch) => Promise<SidecarAnswer>) {
    this.#fetch = fetch;
    this.#send = send;
  }

  /** What is said of a run. */
  note(run: string): RunNote {
    return Object.hasOwn(this.sections.runs, run) ? this.sections.runs[run] : SILENT;
  }

  /** The server has this version; without, it may have any. */
  hear(version?: number): void {
    if (version === undefined || version !== this.#version) this.#paced.ask();
  }

  /** Changes what is said; true once it is kept. */
  patch(patch: SidecarPatch): Promise<boolean> {
    if (!this.writable) {
      this.problem = this.reason ?? "Notes cannot be kept here.";
      return Promise.resolve(false);
    }
    return new Promise((done) => {
      this.#pending.push({ patch, done });
      this.#show();
      if (!this.#sending) void this.#sendAll();
    });
  }

  dismiss(): void {
    this.problem = null;
  }

  async #sendAll(): Promise<void> {
    this.#sending = true;
    while (this.#pending.length) {
      const { patch, done } = this.#pending[0];
      const asked = ++this.#asked;
      let kept = false;
      try {
        const answer = await this.#send(patch);
        this.#pending.shift();
        this.#take(answer, asked);
        this.problem = null;
        kept = true;
      } catch (error) {
        this.#pending.shift();
        this.problem = error instanceof Refused ? error.message : "The server did not answer; the change was taken back.";
        this.#show();
        this.#paced.ask();
      }
      done(kept);
    }
    this.#sending = false;
  }

  async #refresh(): Promise<void> {
    const asked = ++this.#asked;
    this.#take(await this.#fetch(), asked);
  }

  #take(answer: SidecarAnswer, asked: number): void {
    if (asked < this.#taken) return;
    this.#taken = asked;
    this.#version = answer.version;
    this.place = answer.place;
    this.known = true;
    this.path = answer.path;
    this.writable = answer.writable;
    this.reason = answer.reason;
    this.#kept = answer.sections;
    this.#show();
  }

  #show(): void {
    const now = this.#pending.reduce((sections, { patch }) => mergePatch(sections, patch) as Sections, this.#kept);
    // All charts are drawn anew where notes changed, and nearly always the answer is what was known before.
    if (JSON.stringify(now) !== JSON.stringify(this.sections)) this.sections = now;
  }
}
