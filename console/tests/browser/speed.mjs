// How fast and how calm: measured by the browser itself, said on stdout, held to bounds that a busy machine keeps too.
import assert from "node:assert/strict";
import { signedIn } from "./scene.mjs";

const { GLIA_URL, RUN, SESSION, EVENTS, PROFILE } = process.env;

/**
 * What the page's main thread computes from now on, in ms of its own time, which other work on the machine does not
 * stretch. With PROFILE in the environment also which functions take it. The function that comes back ends it.
 */
async function computing(page) {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Performance.enable", { timeDomain: "threadTicks" });
  if (PROFILE) {
    await devtools.send("Profiler.enable");
    await devtools.send("Profiler.setSamplingInterval", { interval: 500 });
    await devtools.send("Profiler.start");
  }
  const read = async () => {
    const { metrics } = await devtools.send("Performance.getMetrics");
    return Object.fromEntries(metrics.map(({ name, value }) => [name, value * 1000]));
  };
  const before = await read();
  return async () => {
    const after = await read();
    if (PROFILE) console.log(dearest((await devtools.send("Profiler.stop")).profile));
    await devtools.detach();
    const spent = (name) => Math.round(after[name] - before[name]);
    return {
      all: spent("TaskDuration"),
      script: spent("ScriptDuration"),
      layout: spent("LayoutDuration"),
      style: spent("RecalcStyleDuration"),
    };
  };
}

/** The functions in which most samples were taken. */
function dearest({ nodes, samples, timeDeltas }) {
  const byId = new Map(nodes.map((node) => [node.id, node.callFrame]));
  const spent = new Map();
  samples.forEach((id, index) => {
    const { functionName, url, lineNumber, columnNumber } = byId.get(id);
    const name = `${functionName || "(anonymous)"} ${url.split("/").pop()}:${lineNumber}:${columnNumber}`;
    spent.set(name, (spent.get(name) ?? 0) + timeDeltas[index] / 1000);
  });
  const lines = [...spent].sort((a, b) => b[1] - a[1]).slice(0, 30);
  return lines.map(([name, ms]) => `  ${ms.toFixed(0).padStart(6)} ms  ${name}`).join("\n");
}

/** A run of thousands of events, from the click to the list and the timeline. */
export async function big_run(page) {
  await signedIn(page, "/runs");
  const took = [];
  const computed = [];
  for (let round = 0; round < 3; round += 1) {
    await page.goto(`${GLIA_URL}/runs`);
    await page.locator(`a[href$="/runs/${RUN}"]`).waitFor();
    const end = await computing(page);
    await page.evaluate(
      ([run, events]) => {
        window.opened = new Promise((done) => {
          const from = performance.now();
          const look = () => {
            const isThere =
              document.body.textContent.includes(`Events (${events})`) && document.querySelector("[role=option]");
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
    computed.push(await end());
  }
  console.log(`opening a run of ${EVENTS} events: ${took.join(", ")} ms; computed ${JSON.stringify(computed)}`);
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
  const end = await computing(page);
  const begun = Date.now();
  await page.keyboard.press("Enter");
  await page.locator(".prose").getByText("The end.").waitFor({ timeout: 60_000 });
  const seconds = (Date.now() - begun) / 1000;
  const computed = await end();
  const seen = await page.evaluate(() => window.seen);
  const frames = seen.frames.slice(5).sort((a, b) => a - b);
  const at = (share) => Math.round(frames[Math.floor(frames.length * share)]);
  const longest = Math.round(Math.max(0, ...seen.tasks));
  console.log(
    `streaming ${text.split(/\s+/).length} words in ${seconds.toFixed(1)} s: ${(frames.length / seconds).toFixed(0)} frames/s,` +
      ` frame p50 ${at(0.5)} p95 ${at(0.95)} p99 ${at(0.99)} ms, ${seen.tasks.length} long tasks, longest ${longest} ms,` +
      ` layout shift ${seen.shift.toFixed(4)}; computed ${JSON.stringify(computed)} ms,` +
      ` ${Math.round(computed.all / (seconds * 10))} % of a core`,
  );
  assert.ok(seen.shift < 0.05, `the layout shifts by ${seen.shift}`);
  const late = frames.filter((ms) => ms > 500).length / frames.length;
  assert.ok(late < 0.1, `${Math.round(late * 100)} % of the frames came late`);
  assert.ok(at(0.5) < 250, `frames take ${at(0.5)} ms`);
}
