// Where things are: each group has its column, and gets its place in it and its size. An edge that passes columns
// goes through a place in each of them, which all edges from the same group share. A "slot" is a group or such a place.
const LINE = 17; // height of a line of text
const GAP = 16; // between boxes of a column
const COLUMN_GAP = 42;
const MEMBER_HEIGHT = 26;
const PASSING = { passes: true, w: 0, h: 0, head: 0 };

let columns = []; // of slots
const groupsIn = (column) => column.filter((slot) => !slot.passes);
const ways = new Map(); // the slots that an edge between two groups goes through, both groups included
const linkId = (from, to) => `${from.key} > ${to.key}`;

/** Give every slot its size and place; an open group's nodes are in a grid inside. */
function layOut() {
  const drawn = drawnGroups();
  columns = Array.from({ length: Math.max(...drawn.map((group) => group.column)) + 1 }, () => []);
  for (const group of drawn) addSlot(group);
  connect();
  for (const column of columns) rank(column);
  sweep(4, sortColumn);
  let start = 0;
  for (const column of columns) {
    for (const slot of column) Object.assign(slot, slot.passes ? {} : boxOf(slot), { wish: 0 });
    const end = start + Math.max(0, ...column.map((slot) => slot.w));
    for (const slot of column) Object.assign(slot, { x: (start + end) / 2, start, end });
    stack(column);
    start = end + COLUMN_GAP;
  }
  sweep(3, level);
  for (const group of drawn) placeMembers(group);
}

function addSlot(slot) {
  columns[slot.column].push(Object.assign(slot, { left: [], right: [] }));
  return slot;
}

/** Find the way of each link between groups, and what every slot is linked to on its left and on its right. */
function connect() {
  ways.clear();
  const passing = new Map();
  const passingAt = (group, column) => {
    const key = `${group.key} at ${column}`;
    if (!passing.has(key)) passing.set(key, addSlot({ ...PASSING, column }));
    return passing.get(key);
  };
  for (const node of nodes)
    for (const parent of node.parents) {
      const [from, to] = [groupOf(parent), groupOf(node)];
      if (from === to || ways.has(linkId(from, to))) continue;
      const way = [from];
      for (let column = from.column + 1; column < to.column; column += 1) way.push(passingAt(from, column));
      ways.set(linkId(from, to), [...way, to]);
      for (const [place, slot] of way.entries()) {
        const next = way[place + 1] ?? to;
        slot.right.push(next);
        next.left.push(slot);
      }
    }
}

/** Go through the columns to and fro; each follows what it is linked to on the side that one comes from. */
function sweep(rounds, follow) {
  for (let round = 0; round < rounds; round += 1) {
    for (const column of columns) follow(column, "left");
    for (const column of columns.toReversed()) follow(column, "right");
  }
}

const mean = (numbers) => (numbers.length ? numbers.reduce((sum, each) => sum + each, 0) / numbers.length : null);

/** Sort a column by the mean rank of what its slots are linked to, so that few edges cross, whatever is open. */
function sortColumn(column, side) {
  for (const slot of column) slot.wish = mean(slot[side].map((other) => other.rank)) ?? slot.rank;
  column.sort((a, b) => a.wish - b.wish);
  rank(column);
}

function rank(column) {
  for (const [place, slot] of column.entries()) slot.rank = place - (column.length - 1) / 2;
}

/** Make slots level with what they are linked to; a place of an edge, before all, with the edge's next place. */
function level(column, side) {
  for (const slot of column) {
    const same = slot.passes ? slot[side].filter((other) => other.passes) : [];
    slot.wish = mean((same.length ? same : slot[side]).map((other) => other.y)) ?? slot.y;
  }
  stack(column);
}

/** Stack a column's slots in order, each as near to its wish as the others allow; edges that pass weigh most. */
function stack(column) {
  const blocks = [];
  let top = 0;
  for (const slot of column) {
    slot.offset = top + slot.h / 2;
    top += slot.h + GAP;
    const weight = slot.passes ? 4 : 1;
    let block = { weight, start: slot.wish - slot.offset, slots: [slot] };
    while (blocks.at(-1)?.start > block.start) block = joined(blocks.pop(), block);
    blocks.push(block);
  }
  for (const { start, slots } of blocks) for (const slot of slots) slot.y = start + slot.offset;
}

/** Two blocks of slots that would overlap, as one between them. */
function joined(above, below) {
  const weight = above.weight + below.weight;
  const start = (above.weight * above.start + below.weight * below.start) / weight;
  return { weight, start, slots: [...above.slots, ...below.slots] };
}

/** The size of a group's box, and of the grid of nodes inside an open one. */
function boxOf(group) {
  const inside = shown(group);
  const head = linesOf(group.item).length * LINE + 10;
  if (!inside.length) return { w: WIDEST.box, h: head + 6, head: 0, across: 0 };
  const longest = Math.max(...inside.map((node) => widthOf(memberLabel(node), "member")));
  const wide = inside.length <= 10 ? 1 : Math.sqrt((1.6 * MEMBER_HEIGHT * inside.length) / longest);
  const cell = Math.min(Math.max(longest + 2 * MARGIN, wide === 1 ? WIDEST.box - 20 : 60), WIDEST.member);
  const rows = Math.ceil(inside.length / Math.ceil(wide));
  const across = Math.ceil(inside.length / rows);
  const w = Math.max(across * (cell + 8) + 12, WIDEST.box);
  return { w, h: rows * (MEMBER_HEIGHT + 8) + 12 + head, head, rows, across, cell };
}

function placeMembers(group) {
  const { rows, across, cell, start, end } = group;
  for (const [number, node] of shown(group).entries()) {
    Object.assign(node, { w: cell, h: MEMBER_HEIGHT, head: 0, start, end });
    node.x = group.x + (Math.floor(number / rows) - (across - 1) / 2) * (cell + 8);
    node.y = group.y + group.head / 2 + ((number % rows) - (rows - 1) / 2) * (MEMBER_HEIGHT + 8);
  }
}
