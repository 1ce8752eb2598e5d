'use strict';
// Keeps the page live: transitions from the event stream, the rest by asking now and then. All text
// goes in as textContent. What is out of sight is not drawn, and no layout is ever read.
(() => {
const STATES = ['unhealthy', 'stale', 'starting', 'blocked', 'healthy'];
const KEEP = 32;            // results in the drawing
const PATIENCE = 4000;      // ms until an answer counts as none
const SILENCE = 9000;       // ms without any word until the page calls itself old
const HIDDEN = 150000;      // the same out of sight, where timers go once a minute
const $ = (id) => document.getElementById(id);
const root = document.documentElement, list = $('list'), say = $('say');
const SVG = 'http://www.w3.org/2000/svg';

let rows = new Map();
let ready = root.className === 'ready', line = $('why').textContent;
let skew = 0, heard = Date.now(), lost = false, agent = null, wanted = '', query = '';

// ---- Words
const now = () => Date.now() + skew;
const dated = (stamp) => Date.parse(stamp);
function age(ms) {
  const s = Math.max(0, Math.floor(ms / 1000)), m = Math.floor(s / 60), h = Math.floor(m / 60);
  return s < 60 ? s + 's' : m < 60 ? m + 'm' : h < 24 ? h + 'h ' + m % 60 + 'm'
    : Math.floor(h / 24) + 'd ' + h % 24 + 'h';
}
function took(ms) {
  return ms < 1 ? Math.floor(ms * 1000) + ' \u00b5s' : ms < 10 ? ms.toFixed(1) + ' ms'
    : ms < 1000 ? Math.floor(ms) + ' ms' : ms < 60000 ? +(ms / 1000).toPrecision(3) + ' s' : age(ms);
}
function put(element, text) {
  if (element && element.said !== text) element.textContent = element.said = text;
}
function make(parent, name, text) {
  const element = parent.appendChild(document.createElement(name));
  if (text !== undefined) element.textContent = text;
  return element;
}

// ---- Rows
const sight = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const row = rows.get(entry.target.dataset.name);
    if (!row) continue;
    row.seen = entry.isIntersecting;
    if (row.seen) later(row);
  }
}, {rootMargin: '200px'});

function adopt() {
  rows = new Map();
  for (const li of list.children) {
    const at = (selector) => li.querySelector(selector), d = li.dataset;
    const row = {
      li, at, name: d.name, state: li.classList[0], since: NaN, total: +d.total,
      counts: li.classList.contains('counts'), trend: d.trend ? d.trend.split(' ').map(Number) : [],
      after: Array.from(li.querySelectorAll('.after a'), (a) => a.textContent),
      hay: at('.who').textContent.toLowerCase(), reason: at('.why b').textContent.slice(0, -1),
      detail: at('.why span').textContent, seen: false, probe: null, fresh: false, told: 0,
    };
    rows.set(row.name, row);
    sight.observe(li);
  }
}

const due = new Set();
function later(row) {
  if (!due.size) requestAnimationFrame(draw);
  due.add(row);
}
// In slices: a frame is given 8 ms.
function draw() {
  const end = performance.now() + 8;
  for (const row of due) {
    due.delete(row);
    if (row.seen) paint(row);
    if (performance.now() > end) break;
  }
  if (due.size) requestAnimationFrame(draw);
}

function setState(row, state) {
  if (row.state === state) return;
  row.li.classList.replace(row.state, state);
  row.state = state;
  row.at('.state use').setAttribute('href', '#' + state);
  row.at('.state b').textContent = state;
  changed();
}

function paint(row) {
  const {at, probe} = row, t = now();
  if (row.since) put(at('.state small'), 'for ' + age(t - row.since));
  const held = row.state === 'blocked';
  const down = row.after.filter((name) => ['unhealthy', 'blocked'].includes(rows.get(name)?.state));
  put(at('.why b'), held || !row.reason ? '' : row.reason + ':');
  put(at('.why span'), held ? 'not checked while ' + (down.join(', ') || 'what it comes after') + ' is down' : row.detail);
  if (!probe) return;
  const last = probe.last, failure = row.failure;
  let fail = '';
  if (failure) {
    const ago = age(t - dated(failure.started) - failure.duration_ms) + ' ago';
    fail = last === failure || last?.started === failure.started
      ? 'failed ' + ago + (probe.failing_streak > 1 ? ', ' + probe.failing_streak + ' in a row' : '')
      : 'last failure ' + ago + ': ' + failure.reason + ': ' + failure.detail;
  }
  put(at('.fail'), fail);
  const left = probe.next_in_ms === null ? null : probe.next_in_ms - (performance.now() - row.asked);
  put(at('.next'), left === null ? '\u2013' : left > 0 ? 'in ' + age(left + 999) : left > -3000 ? 'now' : '\u2026');
  if (!row.fresh) return;
  row.fresh = false;
  put(at('.took b'), last ? took(last.duration_ms) : '\u2013');
  phases(row, last ? Object.entries(last.phases_ms).filter(([, ms]) => ms !== null) : []);
  trend(row);
}

function phases(row, spent) {
  const bar = row.at('.took svg'), words = row.at('.phases');
  bar.replaceChildren();
  words.replaceChildren();
  const sum = spent.reduce((total, [, ms]) => total + ms, 0);
  let x = 0;
  for (const [name, ms] of spent) {
    const rect = bar.appendChild(document.createElementNS(SVG, 'rect'));
    const width = sum ? 100 * ms / sum : 0;
    for (const [key, value] of [['class', name], ['x', x + '%'], ['width', width + '%']]) rect.setAttribute(key, value);
    x += width;
    make(words, 'span', name + ' ' + took(ms)).className = name;
    words.append(' ');
  }
}

// As page_row.c draws it: durations in 10 us, failures negative.
function trend(row) {
  const all = row.trend, n = all.length, start = (KEEP - n) * 4;
  const good = all.filter((d) => d >= 0), scale = good.length ? good : all.map((d) => -d);
  const high = Math.max(1, ...scale), low = Math.min(...scale);
  let path = '', fell = '';
  all.forEach((d, i) => {
    path += (i ? 'L' : 'M') + (start + 4 * i + 1.5) + ' ' + (22 - Math.round(20 * Math.min(1, Math.abs(d) / high)));
    if (d < 0) fell += all[i - 1] < 0 ? 'h4' : 'M' + (start + 4 * i) + ' 34h4';
  });
  row.at('.line').setAttribute('d', path);
  row.at('.good').setAttribute('d', n ? 'M' + start + ' 37H128' : '');
  row.at('.fell').setAttribute('d', fell);
  row.at('.trend').setAttribute('aria-label', n ? 'last ' + n + ' checks: ' + (n - good.length) + ' failed, '
    + took(low / 100) + ' to ' + took(high / 100) : 'no check yet');
}

// ---- What the agent says
function shown(probe) {
  return probe.stale && probe.status !== 'unhealthy' ? 'stale' : probe.status;
}

// False: no such row. What the event stream told since it was `asked` for is newer.
function learn(probe, asked) {
  const row = rows.get(probe.name);
  if (!row) return false;
  if (row.told > asked) return true;
  const before = row.state, {last} = probe;
  row.probe = probe;
  row.asked = performance.now();
  row.since = dated(probe.since);
  row.failure = probe.history.filter((r) => !r.ok).pop();
  const more = probe.checks_total - row.total;
  row.total = probe.checks_total;
  for (const r of more > 0 ? probe.history.slice(-Math.min(more, 5)) : []) {
    row.trend.push((r.ok ? 1 : -1) * Math.max(1, Math.round(r.duration_ms * 100)));
    if (row.trend.length > KEEP) row.trend.shift();
  }
  row.fresh = true;
  row.reason = last?.reason || '';
  row.detail = last ? last.detail : 'no check has ended yet';
  setState(row, shown(probe));
  if (row.state !== before) announce(row);
  if (row.seen) later(row);
  return true;
}

function verdict() {
  const failing = Array.from(rows.values()).filter((row) => row.counts && row.state !== 'healthy')
    .sort((a, b) => STATES.indexOf(a.state) - STATES.indexOf(b.state));
  const first = failing[0], grave = first && ['unhealthy', 'stale'].includes(first.state);
  const kind = lost ? 'lost' : ready ? 'ready' : grave || !first ? 'bad' : 'wait';
  const word = lost ? 'No answer' : ready ? 'Ready' : 'Not ready';
  if (root.className !== kind) root.className = kind;
  put($('verdict'), word);
  const title = word + (kind === 'bad' && first ? ': ' + failing.filter((row) => row.state === first.state).length + ' ' + first.state : '') + ' - probe';
  if (document.title !== title) document.title = title;
  const symbol = {ready: 'healthy', bad: 'unhealthy', wait: 'starting', lost: 'unknown'}[kind];
  if ($('verdict-icon').getAttribute('href') !== '#' + symbol) {
    $('verdict-icon').setAttribute('href', '#' + symbol);
    icon(kind, symbol);
  }
  const why = $('why');
  if (lost) return put(why, 'The agent has not answered for ' + age(Date.now() - heard) + '. Below is what it said last.');
  if (ready || !first) return put(why, ready ? summary() : line);
  const text = ' is ' + first.state + (first.state === 'blocked' || !first.detail ? '' : ': ' + (first.reason && first.reason + ': ') + first.detail)
    + (failing.length > 1 ? ' (and ' + (failing.length - 1) + ' more)' : '');
  if (why.said === first.name + text) return;
  why.said = first.name + text;
  why.replaceChildren();
  make(why, 'a', first.name).href = '#' + first.li.id;
  why.append(text);
}

function summary() {
  let counted = 0, others = 0;
  for (const row of rows.values()) {
    if (row.counts) counted++;
    else if (row.state !== 'healthy') others++;
  }
  return rows.size === 0 ? 'No probe is configured.' : (counted ? counted === 1 ? 'The required probe is healthy' : 'All ' + counted + ' required probes are healthy'
    : 'No probe is required') + (others ? ', ' + others + (others === 1 ? ' other is not' : ' others are not') : '') + '.';
}

function icon(kind, symbol) {
  const shape = $(symbol).innerHTML.replace(/class="fill"/g, 'fill="C"').replace(/<(circle|rect)/g, '<$1 fill="C"')
    .replace(/<path d/g, '<path fill="none" stroke="#fff" stroke-width="2" d');
  const colour = {ready: '#1a7f4b', bad: '#c3271b', wait: '#8a6100', lost: '#59626f'}[kind];
  $('icon').href = 'data:image/svg+xml,' + encodeURIComponent('<svg xmlns="' + SVG + '" viewBox="0 0 16 16">'
    + shape.replace(/"C"/g, '"' + colour + '"') + '</svg>');
}

// A burst becomes one sentence.
const news = new Map();
let newsTimer = 0;
function announce(row) {
  news.set(row.name, row);
  newsTimer ||= setTimeout(() => {
    newsTimer = 0;
    const some = Array.from(news.values()), bad = some.filter((row) => row.state === 'unhealthy').length;
    news.clear();
    say.textContent = some.length > 3 ? some.length + ' probes changed, ' + bad + ' of them are unhealthy now'
      : some.map((row) => row.name + ' is ' + row.state + (row.reason && row.state === 'unhealthy' ? ': ' + row.reason : '')).join('; ');
  }, 300);
}

// ---- Filter
const buttons = new Map();
let filterTimer = 0;
function changed() {
  filterTimer ||= requestAnimationFrame(filter);
}
function filter() {
  filterTimer = 0;
  const counts = {'': 0};
  let visible = 0;
  for (const row of rows.values()) {
    counts[''] += 1;
    counts[row.state] = (counts[row.state] || 0) + 1;
    const out = !!(wanted && row.state !== wanted || query && !row.hay.includes(query));
    visible += !out;
    if (out !== row.li.hidden) row.li.hidden = out;
  }
  for (const [state, button] of buttons) {
    put(button.lastChild, String(counts[state] || 0));
    button.classList.toggle('zero', !counts[state]);
    button.setAttribute('aria-pressed', state === wanted);
  }
  put($('shown'), wanted || query ? visible + ' of ' + rows.size + ' shown' : '');
  $('none').hidden = visible > 0 || !rows.size;
  verdict();
}
function choose(state, text) {
  wanted = STATES.includes(state) ? state : '';
  query = text.trim().toLowerCase();
  const kept = new URLSearchParams();
  if (wanted) kept.set('state', wanted);
  if (query) kept.set('name', query);
  history.replaceState(null, '', kept.size ? '#?' + kept : location.pathname);
  changed();
}
function offer() {
  for (const state of ['', ...STATES]) {
    const button = make(document.querySelector('.states'), 'button');
    button.type = 'button';
    button.className = state;
    if (state) button.append(document.querySelector('.verdict svg').cloneNode(true));
    if (state) {
      const use = button.querySelector('use');
      use.removeAttribute('id');
      use.setAttribute('href', '#' + state);
    }
    button.append(state || 'all');
    make(button, 'b');
    button.onclick = () => choose(state === wanted ? '' : state, $('name').value);
    buttons.set(state, button);
  }
  const kept = new URLSearchParams(location.hash.startsWith('#?') ? location.hash.slice(2) : '');
  $('name').value = kept.get('name') || '';
  $('name').oninput = () => choose(wanted, $('name').value);
  $('filter').onsubmit = (event) => event.preventDefault();
  addEventListener('keydown', (event) => {
    if (event.key === '/' && event.target !== $('name') && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      $('name').focus();
    } else if (event.key === 'Escape' && event.target === $('name')) {
      $('name').value = '';
      choose(wanted, '');
    }
  });
  $('filter').hidden = false;
  if (kept.size) choose(kept.get('state') || '', $('name').value);
}

// ---- Asking. GET / answers by what is accepted, always with 200: the page, the line, the document.
async function ask(type) {
  const answer = await fetch('./', {headers: {Accept: type}, cache: 'no-store', signal: AbortSignal.timeout(type === 'text/plain' ? PATIENCE : PATIENCE + 5 * rows.size)});
  if (!answer.ok || !answer.headers.get('content-type').startsWith(type)) throw new Error(answer.status);
  const body = type === 'application/json' ? await answer.json() : await answer.text();
  const off = dated(answer.headers.get('date')) + 500 - Date.now();
  skew = Math.abs(off) > 2000 ? off : 0;
  hear();
  return body;
}
function hear() {
  heard = Date.now();
  if (!lost) return;
  lost = false;
  say.textContent = 'The agent answers again.';
  changed();
  status.soon(0);
}
function lose() {
  if (lost) return;
  lost = true;
  say.textContent = 'The agent does not answer.';
  verdict();
}

// A task that is run again `pause()` ms after its end, or sooner when asked for; never twice at once.
function task(pause, run) {
  let timer = 0, at = Infinity, busy = false, again = Infinity;
  const soon = (ms) => {
    if (busy) again = Math.min(again, ms);
    else if (performance.now() + ms < at) {
      clearTimeout(timer);
      at = performance.now() + ms;
      if (ms) timer = setTimeout(go, ms);
      else go(); // a timer of a hidden page would wait
    }
  };
  const go = async () => {
    busy = true;
    at = again = Infinity;
    await run().catch(lose);
    busy = false;
    soon(Math.min(again, pause()));
  };
  return {soon};
}
const hidden = () => document.hidden ? 5 : 1;
const beat = task(() => 2000 * hidden(), async () => {
  const text = (await ask('text/plain')).trim();
  ready = text === 'ready';
  line = ready ? text : text.slice(11); // "not ready: "
  verdict();
});
const status = task(() => Math.max(2000, 10 * rows.size) * hidden(), async () => {
  const asked = performance.now(), all = await ask('application/json');
  ready = all.ready;
  if (agent && agent.pid !== all.agent.pid) await renew();
  agent = all.agent;
  put($('agent'), 'probe ' + agent.version + ', up ' + age(agent.uptime_s * 1000) + (all.live ? '' : ', liveness fails'));
  let known = all.probes.length === rows.size;
  for (let i = 0; i < all.probes.length; i += 50) {
    for (const probe of all.probes.slice(i, i + 50)) known = learn(probe, asked) && known;
    await new Promise((done) => setTimeout(done));
  }
  verdict();
  if (!known) await renew();
});

// Other probes than when the page was made: takes the list from a new page.
let renewed = -Infinity;
async function renew() {
  if (performance.now() - renewed < 2000) return;
  renewed = performance.now();
  const main = (await ask('text/html')).split('<main>')[1].split('</main>')[0];
  const page = new DOMParser().parseFromString(main, 'text/html');
  sight.disconnect();
  list.replaceChildren(...Array.from(page.getElementById('list').children, (li) => document.importNode(li, true)));
  adopt();
  changed();
  status.soon(0);
}

function listen() {
  const source = new EventSource('events');
  source.addEventListener('status', (message) => {
    const event = JSON.parse(message.data), row = rows.get(event.name);
    heard = Date.now();
    if (!row) return status.soon(100);
    if (event.from === null && (event.to === row.state || row.state === 'stale')) return;
    row.told = performance.now();
    row.since = dated(event.at);
    row.reason = event.reason || '';
    row.detail = event.detail || '';
    setState(row, event.to);
    announce(row);
    later(row);
    beat.soon(50);
    status.soon(rows.size < 200 ? 100 : 1000);
  });
  source.addEventListener('reset', () => { renew().catch(lose); });
  source.onerror = () => {
    beat.soon(0);
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 10000);
  };
}

setInterval(() => {
  if (Date.now() - heard > (document.hidden ? HIDDEN : SILENCE) + 5 * rows.size) lose();
  if (lost) verdict();
  put($('heard'), lost ? 'last heard at ' + new Date(heard).toLocaleTimeString() : 'updating live');
  if (!document.hidden && !lost) for (const row of rows.values()) if (row.seen) later(row);
}, 1000);
document.addEventListener('visibilitychange', () => {
  if (document.hidden) return;
  beat.soon(0);
  status.soon(0);
});

adopt();
offer();
filter();
listen();
beat.soon(1000);
status.soon(0);
})();
