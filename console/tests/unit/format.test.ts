import { expect, test } from "vitest";
import { cost, money } from "@/lib/format";

test("a cost that nobody knows says so, and is never nothing", () => {
  expect(cost(null)).toBe("cost unknown");
  expect(money(null)).toBe("unknown");
  expect(cost(0)).toBe("$0");
  expect(cost(1200)).toBe("$0.0012");
  expect(cost(2_500_000)).toBe("$2.50");
  expect(cost(500_000)).toBe("$0.50");
  expect(cost(15_500)).toBe("$0.0155");
  expect(cost(-5_000_000)).toBe("-$5.00");
});
