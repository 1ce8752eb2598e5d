'use strict';
// Keeps the page live: transitions from the event stream, the rest by asking for the page now and
// then, whose rows take the place of those that changed. What events tell goes in as textContent.
// What is out of sight is not replaced, and no layout is ever read.
(() => {
const STATES = ['unhealthy', 'stale', 'starting', 'blocked', 'warn', 'healthy']; // as page.h has them
const PATIENCE = 4000;      // ms until an answer counts as none
const SILENCE = 9000;       // ms without any word until the page calls itself old
const HIDDEN = 150000;      // the same out of sight, where timers go once a minute
const $ = (id) => document.getElementById(id);
const root = document.documentElement, list = $('list'), say = $('say');
const isGood = (state) => STATES.indexOf(state) >= STATES.indexOf('warn');
const SVG = 'http://www.w3.org/2000/svg';

let rows = new Map();
let ready = root.className === 'ready', line = $('why').textContent;
const agent = document.title.slice(document.title.indexOf(' - '));
let heard = Date.now(), lost = false, wanted = '', query = '';

// ---- Words
function age(ms) {
  const s = Math.max(0, Math.floor(ms / 1000)), m = Math.floor(s / 60), h = Math.floor(m / 60);
  return s < 60 ? s + 's' : m < 60 ? m + 'm' : h < 24 ? h + 'h' + (m % 60 ? ' ' + m % 60 + 'm' : '')
    : Math.floor(h / 24) + 'd ' + h % 24 + 'h';
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

// What the page says of the last result.
function read(row, li) {
  row.reason = li.querySelector('.why b').textContent.slice(0, -1);
  row.detail = li.querySelector('.why span').textContent;
}

// Name, target, labels: what a row says of the settings.
const who = (li) => li.firstElementChild.textContent.toLowerCase();

function adopt() {
  rows = new Map();
  for (const li of list.children) {
    const row = {
      li, at: (selector) => li.querySelector(selector), name: li.dataset.name, state: li.classList[0],
      slot: +li.dataset.slot, counts: li.classList.contains('counts'),
      labels: Array.from(li.querySelectorAll('.label'), (em) => em.textContent), hay: who(li),
      seen: false, fresh: null, told: 0,
    };
    read(row, li);
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

// Only what differs: the rest may have the focus, or be selected.
function paint(row) {
  if (!row.fresh) return;
  const parts = Array.from(document.importNode(row.fresh, true).children);
  row.fresh = null;
  parts.forEach((part, i) => part.isEqualNode(row.li.children[i]) || row.li.children[i].replaceWith(part));
}

// What the event stream told since the page was `asked` for is newer.
function learn(li, asked) {
  const row = rows.get(li.dataset.name), before = row.state;
  if (row.told > asked) return;
  row.fresh = li;
  read(row, li);
  setState(row, li.classList[0]);
  if (row.state !== before) announce(row);
  if (row.seen) later(row);
}

function verdict() {
  const failing = Array.from(rows.values()).filter((row) => row.counts && !isGood(row.state))
    .sort((a, b) => STATES.indexOf(a.state) - STATES.indexOf(b.state));
  const first = failing[0], grave = first && ['unhealthy', 'stale'].includes(first.state);
  const kind = lost ? 'lost' : ready ? 'ready' : grave || !first ? 'bad' : 'wait';
  const word = lost ? 'No answer' : ready ? 'Ready' : 'Not ready';
  if (root.className !== kind) root.className = kind;
  put($('verdict'), word);
  const title = word + (kind === 'bad' && first ? ': ' + failing.filter((row) => row.state === first.state).length + ' ' + first.state : '') + agent;
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
  let counted = 0, others = 0, warn = 0;
  for (const row of rows.values()) {
    if (row.counts) counted++;
    else if (!isGood(row.state)) others++;
    if (row.state === 'warn') warn++;
  }
  return rows.size === 0 ? 'No probe is configured.' : (counted ? counted === 1 ? 'The required probe is healthy' : 'All ' + counted + ' required probes are healthy'
    : 'No probe is required') + (others ? ', ' + others + (others === 1 ? ' other is not' : ' others are not') : '')
    + (warn ? ', ' + warn + (warn === 1 ? ' warns' : ' warn') : '') + '.';
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
      : some.map((row) => row.name + (row.state === 'warn' ? ' warns' : ' is ' + row.state) + (row.reason && row.state === 'unhealthy' ? ': ' + row.reason : '')).join('; ');
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
  order();
  put($('shown'), wanted || query ? visible + ' of ' + rows.size + ' shown' : '');
  $('none').hidden = visible > 0 || !rows.size;
  verdict();
}
// Failures first, and groups by a label: the rows change places, unless one of them has the focus.
let first = false, group = '';
const value = (row) => row.labels.find((label) => label.startsWith(group + '=')) || '';
function order() {
  const before = (a, b) => (group && value(a) !== value(b) ? (value(a) || '~') < (value(b) || '~') ? -1 : 1 : 0)
    || (first ? STATES.indexOf(a.state) - STATES.indexOf(b.state) : 0) || a.slot - b.slot;
  const sorted = Array.from(rows.values()).sort(before);
  if (!list.contains(document.activeElement) && sorted.some((row, i) => list.children[i] !== row.li))
    list.replaceChildren(...sorted.map((row) => row.li));
  let last = null;
  for (const row of sorted) {
    const text = group && !row.li.hidden ? value(row) || 'without ' + group : last;
    if (text !== last && group) row.li.dataset.group = text;
    else delete row.li.dataset.group;
    if (!row.li.hidden) last = text;
  }
}
function offerGroups() {
  const keys = new Set();
  for (const row of rows.values()) for (const label of row.labels) keys.add(label.split('=')[0]);
  const select = $('group');
  select.replaceChildren(new Option('no groups', ''));
  for (const key of keys) select.add(new Option('by ' + key, key));
  select.value = group;
  select.hidden = !keys.size;
}
function choose(state, text) {
  wanted = STATES.includes(state) ? state : '';
  query = text.trim().toLowerCase();
  const kept = new URLSearchParams();
  if (wanted) kept.set('state', wanted);
  if (query) kept.set('name', query);
  if (first) kept.set('first', 'failures');
  if (group) kept.set('group', group);
  history.replaceState(null, '', kept.size ? '#?' + kept : location.pathname);
  changed();
}
function offer() {
  for (const state of ['', ...STATES]) {
    const button = make(document.querySelector('.states'), 'button');
    button.type = 'button';
    button.className = state;
    if (state) {
      button.append(document.querySelector('.verdict svg').cloneNode(true));
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
  first = kept.get('first') === 'failures';
  group = kept.get('group') || '';
  offerGroups();
  const again = () => choose(wanted, $('name').value);
  $('first').setAttribute('aria-pressed', first);
  $('first').onclick = () => {
    first = !first;
    $('first').setAttribute('aria-pressed', first);
    again();
  };
  $('group').onchange = () => {
    group = $('group').value;
    again();
  };
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

// ---- Asking. GET / answers by what is accepted, always with 200: the page, the line.
async function ask(type) {
  const answer = await fetch('./', {headers: {Accept: type}, cache: 'no-store', signal: AbortSignal.timeout(type === 'text/plain' ? PATIENCE : PATIENCE + 5 * rows.size)});
  if (!answer.ok || !answer.headers.get('content-type').startsWith(type)) throw new Error(answer.status);
  const body = await answer.text();
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
  const asked = performance.now(), page = await ask('text/html');
  const part = (from, to) => page.split(from)[1].split(to)[0];
  ready = part('<html', '>').includes('"ready"');
  const head = new DOMParser().parseFromString(part('<header>', '</header>'), 'text/html');
  for (const id of ['agent', 'up'])
    if (!head.getElementById(id).isEqualNode($(id))) $(id).replaceWith(document.importNode(head.getElementById(id), true));
  const made = new DOMParser().parseFromString(part('<main>', '</main>'), 'text/html');
  const fresh = Array.from(made.getElementById('list').children);
  const isKnown = (li, row) => row && row.slot === +li.dataset.slot && row.hay === who(li);
  if (fresh.length !== rows.size || !fresh.every((li) => isKnown(li, rows.get(li.dataset.name)))) {
    sight.disconnect(); // other probes than before, or other settings of them
    list.replaceChildren(...fresh.map((li) => document.importNode(li, true)));
    adopt();
    offerGroups();
    changed();
  } else {
    for (let i = 0; i < fresh.length; i += 50) {
      for (const li of fresh.slice(i, i + 50)) learn(li, asked);
      await new Promise((done) => setTimeout(done));
    }
  }
  verdict();
});

function listen() {
  const source = new EventSource('events');
  source.addEventListener('status', (message) => {
    const event = JSON.parse(message.data), row = rows.get(event.name);
    heard = Date.now();
    if (!row) return status.soon(100);
    const state = event.to === 'healthy' && event.warning ? 'warn' : event.to;
    if (event.from === null && (state === row.state || row.state === 'stale')) return;
    row.told = performance.now();
    row.reason = state === 'warn' ? 'warning' : event.reason || '';
    row.detail = (state === 'warn' ? event.warning + '; ' : '') + (event.detail || '');
    row.fresh = null;
    put(row.at('.why b'), row.reason && row.reason + ':');
    put(row.at('.why span'), row.detail);
    setState(row, state);
    announce(row);
    beat.soon(50);
    status.soon(rows.size < 200 ? 100 : 1000);
  });
  source.addEventListener('reset', () => status.soon(0));
  source.onerror = () => {
    beat.soon(0);
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 10000);
  };
}

setInterval(() => {
  if (Date.now() - heard > (document.hidden ? HIDDEN : SILENCE) + 5 * rows.size) lose();
  if (lost) verdict();
  put($('heard'), lost ? 'last heard at ' + new Date(heard).toLocaleTimeString() : 'updating live');
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
