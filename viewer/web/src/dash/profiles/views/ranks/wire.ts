/** What the server says of processes that train together. Times are nanoseconds. */
import { hueColour } from "../../../../chart/palette";
import { countText, timeText } from "../../numbers";

export const PIECES = ["computing", "overlap", "communicating", "other"] as const;
export type Piece = (typeof PIECES)[number];

export interface Late {
  worker: string;
  rank: number;
  collectives: number;
  last: number;
  caused: number;
  waited: number;
}

export interface Ranks {
  says: string;
  unmatched: number;
  met: number;
  /** Why other traces of the directory cannot be read. */
  unread: readonly string[];
  steps: readonly string[];
  step: string;
  worker: readonly string[];
  rank: readonly number[];
  counted: readonly number[];
  time: Readonly<Record<Piece | "duration" | "transfer" | "waiting", readonly number[]>>;
  late: readonly Late[];
}

export const TOLD: Readonly<Record<Piece, { title: string; hue: number; says: string }>> = {
  computing: { title: "Computing", hue: 0, says: "computes and does not communicate" },
  overlap: { title: "Overlapping", hue: 6, says: "does both at once" },
  communicating: { title: "Communication", hue: 3, says: "communicates and does not compute" },
  other: { title: "Other", hue: 9, says: "does neither" },
};

export const pieceColour = (piece: Piece, dark: boolean): string => hueColour(TOLD[piece].hue, dark);

export const rankName = (rank: number, worker: string): string => (rank < 0 ? worker : `Rank ${rank}`);

/** How late a rank is, in words. */
export function lateText({ worker, rank, collectives, last, caused, waited }: Late): string {
  return `${rankName(rank, worker)} came last in ${countText(last)} of ${countText(collectives)}; the others waited ${timeText(caused / 1_000)} for it, and it waited ${timeText(waited / 1_000)} itself.`;
}
