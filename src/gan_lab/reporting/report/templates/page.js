"use strict";
// What the page does beside being read: sorted columns, curves, a slider over samples, places that
// links lead to, and, where it is served, a look for a newer page. Every text from the data becomes
// textContent, never markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const element = (name, options = {}, ...children) => {
    const made = Object.assign(document.createElement(name), options);
    made.append(...children);
    return made;
  };
  const colour = (index) =>
    getComputedStyle(document.documentElement).getPropertyValue(index).trim();
  const COLOURS = 8;

  // Tables ------------------------------------------------------------------------------------

  const key = (cell) => {
    if (cell.dataset.sort !== undefined) return Number(cell.dataset.sort);
    const text = cell.firstChild ? cell.textContent.trim() : "";
    return text !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
  };
  const rank = (value) => (typeof value === "number" ? (Number.isNaN(value) ? 2 : 0) : value ? 1 : 2);
  const compare = (a, b) => {
    if (rank(a) !== rank(b)) return rank(a) - rank(b);
    return typeof a === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
  };
  for (const table of all("table.sortable")) {
    const heads = all("thead th", table);
    heads.forEach((head, column) => {
      head.querySelector("button").addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const body = table.tBodies[0];
        const rows = [...body.rows].map((row) => [key(row.cells[column]), row]);
        // what has no number stays at the end, whichever way the others go
        rows.sort(([a], [b]) => (rank(a) !== rank(b) ? rank(a) - rank(b) : (down ? -1 : 1) * compare(a, b)));
        body.append(...rows.map(([, row]) => row));
      });
    });
  }
  const filter = document.getElementById("filter");
  if (filter) {
    const section = filter.closest("section");
    filter.addEventListener("input", () => {
      const words = filter.value.toLowerCase().split(",").map((word) => word.trim());
      const fits = (node) => words.every((word) => node.firstElementChild.textContent.toLowerCase().includes(word));
      const hidden = new Map(all(".run", section).map((run) => [run.id, !fits(run)]));
      hidden.forEach((isHidden, id) => { document.getElementById(id).hidden = isHidden; });
      // the page of the thesis has runs without a table of them
      for (const row of section.querySelector("table.sortable")?.tBodies[0].rows ?? []) {
        const link = row.querySelector("a");
        row.hidden = link ? hidden.get(link.hash.slice(1)) : !fits(row);
      }
    });
  }

  // Places ------------------------------------------------------------------------------------

  const reveal = () => {
    const place = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (!place) return;
    for (let node = place; node; node = node.parentElement) {
      if (node.tagName === "DETAILS") node.open = true;
      node.hidden = false;
    }
    all(".lit").forEach((node) => node.classList.remove("lit"));
    if (place.classList.contains("run")) place.classList.add("lit");
    place.scrollIntoView({ block: "start" });
  };
  addEventListener("hashchange", reveal);
  reveal();
  for (const place of all("pre.command")) {
    if (!navigator.clipboard) break;
    const button = element("button", { type: "button", className: "plain", textContent: "Copy" });
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(place.textContent);
      button.textContent = "Copied";
    });
    place.after(button);
  }

  // Curves ------------------------------------------------------------------------------------

  const shown = (value) =>
    value === null || value === undefined ? "" : Math.abs(value) >= 1e5 || (value && Math.abs(value) < 1e-3)
      ? value.toExponential(2) : String(Number(value.toPrecision(4)));
  const drawings = [];

  function chart(place) {
    const panels = data.charts[place.dataset.chart];
    const [tools, area, legend] = [".tools", ".plot", ".legend"].map((one) => place.querySelector(one));
    const unique = (name) => [...new Set(panels.map((panel) => panel[name]))];
    const choice = (label, values) => {
      const box = element("select", {}, ...values.map((value) => element("option", { value, textContent: value || "all" })));
      const whole = element("label", { textContent: `${label} ` });
      whole.append(box);
      if (values.length > 1 || label === "curve") tools.append(whole);
      return box;
    };
    const tick = (label, checked) => {
      const box = element("input", { type: "checkbox", checked });
      tools.append(element("label", {}, box, ` ${label}`));
      return box;
    };
    const curve = choice("curve", unique("curve"));
    const facet = choice("panel", unique("facet"));
    const log = tick("log scale", /\b(fid|kid)_/.test(curve.value));
    const bands = tick("bands", true);
    const singles = tick("runs in no mean", true);
    singles.parentElement.hidden = !panels.some((panel) => panel.lines.some((line) => line.singles.length));
    bands.parentElement.hidden = !panels.some((panel) => panel.lines.some((line) => line.low));
    const hidden = new Set();
    let plot = null;

    function draw() {
      const panel = panels.find((one) => one.curve === curve.value && one.facet === facet.value);
      plot?.destroy();
      legend.replaceChildren();
      area.replaceChildren();
      if (!panel) { area.textContent = "No such curve here."; return; }

      // three series a line, of which two are the ends of its band
      const [columns, series, fills, values] = [[panel.x], [{}], [], []];
      const outputs = panel.lines.map((line, index) => {
        const ink = colour(`--c${index % COLOURS}`);
        const dash = index < COLOURS ? undefined : [8, 4];
        const show = !hidden.has(line.name);
        if (line.mean) {
          values.push([columns.length, index]);
          columns.push(line.mean);
          series.push({ label: line.name, stroke: ink, width: 2, dash, show, spanGaps: true, points: { show: panel.x.length < 30 } });
          if (line.low && bands.checked) {
            fills.push({ series: [columns.length + 1, columns.length], fill: `${ink}26` });
            columns.push(line.low, line.high);
            const end = { label: "", stroke: "transparent", width: 0, show, spanGaps: true, points: { show: false } };
            series.push({ ...end }, { ...end });
          }
        }
        for (const single of singles.checked ? line.singles : []) {
          columns.push(single.y);
          series.push({ label: single.name, stroke: ink, width: 1, dash: [2, 3], show, points: { show: false } });
        }
        return legendEntry(line, ink, dash, show);
      });
      const positive = columns.slice(1).flat().every((value) => value === null || value > 0);
      log.disabled = !positive;
      const isLog = log.checked && positive;
      const ink = colour("--soft");
      const grid = { stroke: colour("--rule"), width: 1 };
      const axis = { stroke: ink, grid, ticks: grid, font: "12px system-ui" };
      plot = new uPlot({
        width: area.clientWidth, height: Math.max(260, Math.min(400, area.clientWidth * 0.52)),
        scales: { x: { time: false }, y: { distr: isLog ? 3 : 1, range: limits(columns, series, isLog) } },
        axes: [{ ...axis, label: "step", labelFont: "12px system-ui", labelSize: 20 }, { ...axis, size: 62, values: (_, ticks) => ticks.map((one) => (one === null || (isLog && Number(one.toPrecision(1)) !== one) ? "" : shown(one))) }],
        padding: [12, 40, 0, 0], series, bands: fills, legend: { show: false },
        cursor: { drag: { x: true, y: false }, points: { size: 7 }, sync: { key: place.dataset.chart } },
        hooks: { setCursor: [(u) => {
          const at = u.cursor.idx;
          values.forEach(([column, index]) => { outputs[index].textContent = at === null ? "" : shown(columns[column][at]); });
        }] },
      }, columns, area);
      place.plot = plot;
    }

    function legendEntry(line, ink, dash, show) {
      const key = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      key.setAttribute("viewBox", "0 0 28 12");
      const rule = document.createElementNS("http://www.w3.org/2000/svg", "line");
      for (const [name, value] of Object.entries({ x1: 0, x2: 28, y1: 6, y2: 6, stroke: ink, "stroke-width": 4, "stroke-dasharray": dash ? "8 4" : "" })) rule.setAttribute(name, value);
      key.append(rule);
      const output = element("output");
      const button = element("button", { type: "button" }, key, `${line.name} `, element("small", { textContent: line.note }), output);
      button.setAttribute("aria-pressed", String(show));
      button.addEventListener("click", () => {
        hidden.has(line.name) ? hidden.delete(line.name) : hidden.add(line.name);
        draw();
      });
      legend.append(element("li", {}, button));
      return output;
    }

    [curve, facet, log, bands, singles].forEach((input) => input.addEventListener("change", draw));
    curve.addEventListener("change", () => { log.checked = /\b(fid|kid)_/.test(curve.value); draw(); });
    drawings.push(draw);
    draw();
  }

  // a run that diverges, or the band of a spike, would leave nothing to be seen of the others: means
  // decide what is shown, and bands may add as much again on either side
  const limits = (columns, series, isLog) => (u, low, high) => {
    const { min, max } = u.scales.x;
    const ends = (isWanted) => {
      let [least, most] = [Infinity, -Infinity];
      columns.forEach((column, index) => {
        if (index === 0 || !series[index].show || !isWanted(series[index])) return;
        column.forEach((value, at) => {
          if (value === null || columns[0][at] < min || columns[0][at] > max) return;
          least = Math.min(least, value);
          most = Math.max(most, value);
        });
      });
      return [least, most];
    };
    const [least, most] = ends((one) => one.width === 2);
    if (least > most) return low === null || high === null ? (isLog ? [0.1, 1] : [0, 1]) : [low, high];
    const [bottom, top] = ends((one) => one.width === 0);
    if (isLog) return uPlot.rangeLog(Math.min(least, Math.max(bottom, least / 2)), Math.max(most, Math.min(top, 2 * most)), 10, false);
    const room = most - least || Math.abs(most) || 1;
    return [
      Math.min(least - 0.06 * room, Math.max(bottom, least - room)),
      Math.max(most + 0.06 * room, Math.min(top, most + room)),
    ];
  };

  all(".chart").forEach(chart);
  let waiting = null;
  const again = () => { clearTimeout(waiting); waiting = setTimeout(() => drawings.forEach((draw) => draw()), 120); };
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; again(); } });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);

  // Samples -----------------------------------------------------------------------------------

  for (const place of all(".gallery")) {
    const grids = data.frames[place.dataset.gallery];
    const steps = [...new Set(grids.flat().map(([step]) => step))].sort((a, b) => a - b);
    // there was no room for any run: the gallery says so in words
    if (!steps.length) continue;
    const [slider, output, play] = ["input", "output", ".play"].map((one) => place.querySelector(one));
    const images = all("img", place);
    const show = () => {
      const step = steps[slider.value];
      output.textContent = step.toLocaleString("en");
      images.forEach((image, index) => {
        // a run that has not come so far shows how far it is
        const frames = grids[index].filter(([at]) => at <= step);
        const [at, source] = frames.length ? frames[frames.length - 1] : grids[index][0];
        image.src = source;
        image.alt = `${image.dataset.alt} after ${at} steps`;
        image.closest("figure").querySelector(".step").textContent = `step ${at.toLocaleString("en")}`;
      });
    };
    slider.max = steps.length - 1;
    slider.value = slider.max;
    slider.addEventListener("input", show);
    place.querySelector(".tools").hidden = steps.length < 2;
    let timer = null;
    play.addEventListener("click", () => {
      const stop = () => { clearInterval(timer); timer = null; play.textContent = "Play"; };
      if (timer) { stop(); return; }
      play.textContent = "Stop";
      slider.value = 0;
      show();
      timer = setInterval(() => {
        slider.value = Number(slider.value) + 1;
        show();
        if (slider.value === slider.max) stop();
      }, 700);
    });
    show();
  }

  // A newer page ------------------------------------------------------------------------------

  const every = Number(document.documentElement.dataset.refresh) * 1000;
  if (every) {
    let [known, touched] = [null, 0];
    for (const event of ["pointerdown", "keydown", "input"]) addEventListener(event, () => { touched = Date.now(); });
    const look = async () => {
      try {
        const state = await (await fetch("state", { cache: "no-store" })).text();
        if (known === null) known = state;
        // nobody's zoom or slider is taken away while it is used
        if (state !== known && Date.now() - touched > 5000) location.reload();
      } catch { /* the program has ended: the page stays as it is */ }
      setTimeout(look, every);
    };
    look();
  }
  document.documentElement.dataset.ready = "true";
})();
