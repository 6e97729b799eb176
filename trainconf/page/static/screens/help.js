// What the page is, its words and its keys.
import { html } from "../app/dom.js";
import { plain } from "../app/text.js";

const KEYS = [
  ["/", "filter"], ["j k", "move"], ["x", "choose; with shift, a stretch"], ["enter", "open"], ["c", "compare the chosen"], ["l", "the log"],
  ["g r", "runs"], ["g c", "compare"], ["g s", "sweeps"], ["g n", "now"], [".", "live on or off"], ["y", "copy the command"], ["e", "export"],
  ["t", "light or dark"], ["?", "keys of this screen"], ["esc", "back"],
];
const FILTERS = [
  ["status:Failed,Running", "in one of these states"], ["params.lr>0.1", "a param above a number"], ["metrics.loss<0.2", "the last value of a metric"],
  ["tag:paper", "with this tag"], ["digits", "the word in the id, name, experiment or note"],
];

/** @type {import("../app/shell.js").Screen} */
export default {
  name: "help",
  title: "Help",
  view: (ctx) => html`
    <article class="prose">
      <h1>Help</h1>
      <p>This page shows the runs of one workspace. It reads their folders, and asks nothing outside this machine. What it changes, it changes by the
        same commands that you would type; each is shown before it is carried out.</p>
      <h2>Words</h2>
      <dl class="facts">
        <dt>run</dt><dd>one training: its config, its code, its state, its log and its metrics</dd>
        <dt>sweep, trial</dt><dd>many runs of one experiment; a trial is one of them</dd>
        <dt>param</dt><dd>a value that was set</dd>
        <dt>metric</dt><dd>a value that was logged, step by step; <em>best</em> is the lowest or highest one, as its goal says</dd>
        <dt>attempt</dt><dd>a run that was resumed goes on in its next attempt</dd>
      </dl>
      <h2>Filter</h2>
      <dl class="facts">${FILTERS.map(([words, says]) => html`<dt><code>${words}</code></dt><dd>${says}</dd>`)}</dl>
      <h2>Charts</h2>
      <p>A point of a chart is the lowest, the highest and the last of all the values that fall on its pixel, so no spike is lost. Drag to zoom: the values
        are asked for again. Smoothing is the running mean of all values up to a step: a past value never changes, and the raw line stays behind it.
        Values that are not finite are marked at the edge.</p>
      <h2>Keys</h2>
      <dl class="keys">${KEYS.map(([keys, says]) => html`<dt>${keys.split(" ").map((key) => html`<kbd>${key}</kbd> `)}</dt><dd>${says}</dd>`)}</dl>
      <h2>From another machine</h2>
      <p>${ctx.about?.ssh ? html`Type this there, then open the link that <code>trainconf ui</code> printed: <code class="block">${plain(ctx.about.ssh)}</code>` : "The line that `trainconf ui` printed beside `ssh` leads here."}</p>
      <p class="quiet">trainconf ${plain(ctx.about?.version)}</p>
    </article>`,
};
