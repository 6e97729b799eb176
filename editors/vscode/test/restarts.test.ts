import { expect, test } from "vitest";
import { Restarts } from "../src/core/restarts";

test("a server that dies is started again and told once, until it dies too often", () => {
  const restarts = new Restarts();
  expect([0, 1, 2, 3, 4].map((second) => restarts.died(second * 1000))).toEqual([
    { restart: true, tell: true }, { restart: true, tell: false }, { restart: true, tell: false }, { restart: true, tell: false },
    { restart: false, tell: true },
  ]);
});

test("after three calm minutes the count begins anew", () => {
  const restarts = new Restarts();
  [0, 1, 2, 3].forEach((second) => restarts.died(second * 1000));
  expect(restarts.died(300_000)).toEqual({ restart: true, tell: true });
});
