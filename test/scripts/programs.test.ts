import { expect, test } from "vitest";
import { run } from "../../tools/command-line/programs.ts";

test("a program of node_modules is started without a shell and without a PATH", () => {
  const { status, stdout } = run("tsc", ["--version"], { env: { ...process.env, PATH: "" } });
  expect(status).toBe(0);
  expect(stdout).toMatch(/^Version \d/);
});

test("a program that fails returns its status and its output", () => {
  const { status, stderr } = run("node", ["--eval", "console.error('no'); process.exitCode = 3"]);
  expect([status, stderr]).toEqual([3, "no\n"]);
});

test("a program that cannot be started, or is killed, throws an error with the reason", () => {
  expect(() => run("node", ["--version"], { cwd: "no/such/folder" })).toThrow("node did not run to its end");
  expect(() => run("node", ["--eval", "process.kill(process.pid, 'SIGKILL')"])).toThrow("SIGKILL");
});
