// How fast and how calm: measured by the browser itself, said on stdout, held to bounds that a busy machine keeps too.
import assert from "node:assert/strict";
import { signedIn } from "./scene.mjs";

const { GLIA_URL, RUN, SESSION, EVENTS } = process.env;

/** A run of thousands of events, from the click to the list and the timeline. */
export async function big_run(page) {
  await signedIn(page, "/runs");
  const took = [];
  for (let round = 0; round < 3; round += 1) {
    await page.goto(`${GLIA_URL}/runs`);
    await page.locator(`a[href$="/runs/${RUN}"]`).waitFor();
    await page.evaluate(
      ([run, events]) => {
        window.opened = new Promise((done) => {
          const from = performance.now();
          const look = () => {
            const isThere =
              document.body.innerText.includes(`Events (${events})`) && document.querySelector("[role=option]");
            if (isThere) done(performance.now() - from);
            else requestAnimationFrame(look);
          };
          document.querySelector(`a[href$="/runs/${run}"]`).click();
          look();
        });
      },
      [RUN, Number(EVENTS).toLocaleString("en-US")],
    );
    took.push(Math.round(await page.evaluate(() => window.opened)));
  }
  console.log(`opening a run of ${EVENTS} events: ${took.join(", ")} ms`);
  const rows = await page.locator("[role=option]").count();
  assert.ok(rows < 200, `${rows} rows stand in the page`);
  assert.ok(Math.min(...took) < 20_000, `it took ${took.join(", ")} ms`);
}

/** An answer at 200 tokens a second: frames, long tasks and layout shifts while it comes. */
export async function streaming(page) {
  await page.emulateMedia({ reducedMotion: "no-preference" });
  await signedIn(page, `/chat/${SESSION}`);
  const parts = [
    "# Part N",
    "A paragraph of *plain* words with `code` and **weight** in it, long enough to wrap over lines.",
    "- one point\n- another point\n- and a third",
    "```py\nfor each in range(10):\n    print(each)\n```",
    "| a | b |\n|---|---|\n| 1 | 2 |",
  ];
  const text = Array.from({ length: 25 }, (_, number) => parts.join("\n\n").replace("N", number)).join("\n\n");
  await page.getByLabel("Message", { exact: true }).fill(`${text}\n\nThe end.`);
  await page.evaluate(() => {
    const seen = { frames: [], tasks: [], shift: 0 };
    window.seen = seen;
    new PerformanceObserver((list) => seen.tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({
      type: "longtask",
    });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (!entry.hadRecentInput) seen.shift += entry.value;
    }).observe({ type: "layout-shift" });
    let last = performance.now();
    const frame = (now) => {
      seen.frames.push(now - last);
      last = now;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
  const begun = Date.now();
  await page.keyboard.press("Enter");
  await page.locator(".prose").getByText("The end.").waitFor({ timeout: 60_000 });
  const seconds = (Date.now() - begun) / 1000;
  const seen = await page.evaluate(() => window.seen);
  const frames = seen.frames.slice(5).sort((a, b) => a - b);
  const at = (share) => Math.round(frames[Math.floor(frames.length * share)]);
  const longest = Math.round(Math.max(0, ...seen.tasks));
  console.log(
    `streaming ${text.split(/\s+/).length} words in ${seconds.toFixed(1)} s: ${(frames.length / seconds).toFixed(0)} frames/s,` +
      ` frame p50 ${at(0.5)} p95 ${at(0.95)} p99 ${at(0.99)} ms, ${seen.tasks.length} long tasks, longest ${longest} ms,` +
      ` layout shift ${seen.shift.toFixed(4)}`,
  );
  assert.ok(seen.shift < 0.05, `the layout shifts by ${seen.shift}`);
  const late = frames.filter((ms) => ms > 500).length / frames.length;
  assert.ok(late < 0.1, `${Math.round(late * 100)} % of the frames came late`);
  assert.ok(at(0.5) < 250, `frames take ${at(0.5)} ms`);
}
