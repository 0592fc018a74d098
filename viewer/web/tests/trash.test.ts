import { afterEach, expect, test, vi } from "vitest";
import { Refused } from "../src/data/api";
import { fetchTrash, moveToTrash, restore } from "../src/data/trash";

afterEach(() => vi.unstubAllGlobals());

function answering(status: number, body: unknown): [string, RequestInit | undefined][] {
  const asked: [string, RequestInit | undefined][] = [];
  vi.stubGlobal("fetch", (url: string, options?: RequestInit) => {
    asked.push([url, options]);
    return Promise.resolve(new Response(JSON.stringify(body), { status }));
  });
  return asked;
}

test("runs are moved and brought back by what the server's routes take", async () => {
  const outcome = { id: "20261122T061530-9f3c", moved: [{ run: "a", files: 1, left: [] }], kept: [] };
  const asked = answering(200, outcome);
  expect(await moveToTrash(["a"], true)).toEqual(outcome);
  await moveToTrash(["a"]);
  await restore(outcome.id);
  await restore(outcome.id, ["a"]);
  expect(asked.map(([url, options]) => [url, options?.method, JSON.parse(String(options?.body)) as unknown])).toEqual([
    ["./api/trash", "POST", { runs: ["a"], running: true }],
    ["./api/trash", "POST", { runs: ["a"], running: false }],
    ["./api/trash/restore", "POST", { id: outcome.id }],
    ["./api/trash/restore", "POST", { id: outcome.id, runs: ["a"] }],
  ]);
  expect(asked.every(([, options]) => new Headers(options?.headers).get("Content-Type") === "application/json")).toBe(true);
});

test("what the server refuses is an error with its sentence", async () => {
  answering(403, { error: "Runs cannot be deleted here." });
  await expect(moveToTrash(["a"])).rejects.toEqual(new Refused(403, "Runs cannot be deleted here."));
  await expect(fetchTrash()).rejects.toThrow("Runs cannot be deleted here.");
});
