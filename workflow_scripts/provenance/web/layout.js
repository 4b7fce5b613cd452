// Where things are: each group has its column, and gets its place in it and its size. An edge that passes columns
// goes through a place in each of them, which all edges from the same group share. A "slot" is a group or such a place.
const layout = (() => {
  const { nodes } = records;
  const { shown, drawnGroups } = selection;
  const { WIDEST, MARGIN, widthOf, linesOf, memberLabel } = words;

  const WIDTH = WIDEST.box;
  const LINE = 17; // height of a line of text
  const GAP = 16; // between boxes of a column
  const COLUMN_GAP = 42;
  const MEMBER_HEIGHT = 26;

  const links = new Map(); // from group to group
  const passing = new Map(); // slots of edges
  const columns = []; // of slots
  let filled = null; // the groups in `columns`

  /** Fill the columns with the slots of what is drawn, if that is other groups than before. */
  function fill() {
    if (filled === drawnGroups()) return;
    filled = drawnGroups();
    for (const kept of [links, passing]) kept.clear();
    columns.length = 0;
    for (const node of nodes)
      for (const parent of node.parents) {
        if (parent.group !== node.group)
          links.set(`${parent.group.key} > ${node.group.key}`, [parent.group, node.group]);
      }
    for (const group of filled) (columns[group.column] ??= []).push(group);
    for (const [from, to] of links.values())
      for (let column = from.column + 1; column < to.column; column += 1) {
        const key = `${from.key} at ${column}`;
        if (passing.has(key)) continue;
        passing.set(key, { key, passes: from, column });
        columns[column].push(passing.get(key));
      }
    for (const slot of columns.flat()) {
      slot.left = [];
      slot.right = [];
      slot.ends = ["in", "out"].map((end) => ({ key: `${slot.key} ${end}`, passes: true, w: 0 }));
    }
    for (const [from, to] of links.values()) {
      const way = chain(from, to, from, to);
      way.slice(1).forEach((slot, place) => {
        slot.left.push(way[place]);
        way[place].right.push(slot);
      });
    }
    sort();
  }

  /** Sort every column by the mean rank of what its slots are linked to, so that few edges cross. */
  function sort() {
    const rank = () =>
      columns.forEach((column) =>
        column.forEach((slot, place) => {
          slot.rank = place - (column.length - 1) / 2;
        }),
      );
    const sortBy = (column, side) => {
      for (const slot of column) slot.wish = mean(slot[side].map((other) => other.rank)) ?? slot.rank;
      column.sort((a, b) => a.wish - b.wish);
      rank();
    };
    rank();
    for (let round = 0; round < 4; round += 1) {
      columns.forEach((column) => sortBy(column, "left"));
      [...columns].reverse().forEach((column) => sortBy(column, "right"));
    }
  }

  const mean = (numbers) => (numbers.length ? numbers.reduce((sum, each) => sum + each, 0) / numbers.length : null);

  /** The slots that an edge between two groups goes through; its ends are `first` and `last`. */
  function chain(from, to, first, last) {
    const way = [first];
    for (let column = from.column + 1; column < to.column; column += 1)
      way.push(passing.get(`${from.key} at ${column}`));
    return [...way, last];
  }

  /** Give every slot its size and place; an open group's nodes are in a grid inside. */
  function place() {
    fill();
    let left = 0;
    for (const column of columns) {
      for (const slot of column) Object.assign(slot, slot.passes ? { w: 0, h: 0, head: 0 } : boxOf(slot));
      const width = Math.max(...column.map((slot) => slot.w));
      for (const slot of column) {
        Object.assign(slot, { x: left + width / 2, narrow: !slot.passes && slot.w < width });
        [slot.ends[0].x, slot.ends[1].x] = [left, left + width];
      }
      left += width + COLUMN_GAP;
      stack(column, Array(column.length).fill(0));
    }
    for (let round = 0; round < 3; round += 1)
      for (const side of ["left", "right"]) {
        for (const column of side === "left" ? columns : [...columns].reverse()) {
          const wishes = column.map(
            (slot) =>
              mean(followed(slot, side).map((other) => other.y)) ??
              (slot.left.length + slot.right.length ? slot.y : null),
          );
          const middle = mean(wishes.filter((wish) => wish !== null)) ?? 0;
          const wished = wishes.map((wish) => wish ?? middle);
          stack(column, wished);
        }
      }
    for (const slot of columns.flat()) for (const end of slot.ends) end.y = levelOf(slot);
    for (const group of filled)
      shown(group).forEach((node, number) => {
        const { rows, across, cell } = group;
        node.w = cell;
        node.x = group.x + (Math.floor(number / rows) - (across - 1) / 2) * (cell + 8);
        node.y = group.y + group.head / 2 + ((number % rows) - (rows - 1) / 2) * (MEMBER_HEIGHT + 8);
      });
  }

  /** What a slot should be level with: an edge that goes on with its next place, all else with all it is linked to. */
  function followed(slot, side) {
    const same = slot.passes ? slot[side].filter((other) => other.passes) : [];
    return same.length ? same : slot[side];
  }

  /** Where edges meet a slot: the middle of its box, above which an open group has its label. */
  const levelOf = (slot) => slot.y + slot.head / 2;

  /** Stack a column's slots in order, each as near to its wish as the others allow; edges that pass weigh most. */
  function stack(column, wishes) {
    const blocks = [];
    let top = 0;
    column.forEach((slot, number) => {
      slot.offset = top + slot.h / 2;
      top += slot.h + GAP;
      const weight = slot.passes ? 4 : 1;
      let block = { weight, sum: weight * (wishes[number] - slot.offset), slots: [slot] };
      while (blocks.length && blocks.at(-1).sum / blocks.at(-1).weight > block.sum / block.weight) {
        const above = blocks.pop();
        block = {
          weight: above.weight + block.weight,
          sum: above.sum + block.sum,
          slots: [...above.slots, ...block.slots],
        };
      }
      blocks.push(block);
    });
    for (const { sum, weight, slots: inside } of blocks) for (const slot of inside) slot.y = slot.offset + sum / weight;
  }

  /** The size of a group's box, and of the grid of nodes inside an open one. */
  function boxOf(group) {
    const inside = shown(group),
      head = linesOf(group.item).length * LINE + 10;
    if (!inside.length) return { w: WIDTH, h: head + 6, head: 0, across: 0 };
    const longest = Math.max(...inside.map((node) => widthOf(memberLabel(node), "member")));
    const wide = inside.length <= 10 ? 1 : Math.sqrt((1.6 * MEMBER_HEIGHT * inside.length) / longest);
    const cell = Math.min(Math.max(longest + 2 * MARGIN, wide === 1 ? WIDTH - 20 : 60), WIDEST.member);
    const rows = Math.ceil(inside.length / Math.ceil(wide)),
      across = Math.ceil(inside.length / rows);
    const w = Math.max(across * (cell + 8) + 12, WIDTH),
      h = rows * (MEMBER_HEIGHT + 8) + 12 + head;
    return { w, h, head, rows, across, cell };
  }

  return { WIDTH, MEMBER_HEIGHT, links, columns, chain, levelOf, place };
})();
