-- Fills a fresh `row` from one that was written under other limits, column by column by name. What the caller knows is taken over,
-- with what was used of it; what it does not know is kept behind until the row as it was would have expired, so that processes with
-- an old and a new policy can work side by side.
--
--   'h3' mark names '|' names of what is kept ';' until numbers tail kept      kept: numbers and tail of each column, one by one;
--                                                                              slots: capacity and number of holders, then of each
--                                                                              node birth expiry held
if sub(raw, 1, 2) ~= 'h3' then error('HEADGATE the value of ' .. key .. ' was not written by this version') end
local stop = string.find(raw, ';', 11, true)
local names, old, pos, stays = sub(raw, 11, stop - 1), '', stop + 1, 0
local bar = string.find(names, '|', 1, true)
if bar then
  names, old = sub(names, 1, bar - 1), sub(names, bar + 1)
  stays, pos = unpackText('<d', raw, pos)
end
row[1], pos = unpackText('<d', raw, pos)

-- Each column that stands in the row, as a text of its own, numbers and tail.
local widths = { [98] = 8, [114] = 6, [99] = 4, [115] = 1 }
local found, held = {}, {}
for i = 1, #names, 8 do
  local name, width = sub(names, i, i + 7), 8 * widths[string.byte(names, i)]
  found[name] = sub(raw, pos, pos + width - 1)
  pos = pos + width
  if string.byte(name) == 115 then held[#held + 1] = name end
end
local count = 0
if #held > 0 then count, pos = unpackText('<d', raw, pos) end
for column, name in ipairs(held) do
  local parts = { found[name], packText('<d', count) }
  for i = 0, count - 1 do
    local from = pos + i * (24 + 8 * #held)
    parts[#parts + 1] = sub(raw, from, from + 23) .. sub(raw, from + 16 + 8 * column, from + 23 + 8 * column)
  end
  found[name] = table.concat(parts)
end
pos = pos + count * (24 + 8 * #held)
for i = 1, #names, 8 do
  local name = sub(names, i, i + 7)
  if string.byte(name) == 114 then
    local bytes = 16 * unpackText('<d', found[name], 25)
    found[name] = found[name] .. sub(raw, pos, pos + bytes - 1)
    pos = pos + bytes
  end
end
if stays <= now then old, stays = '', 0 end
for i = 1, #old, 8 do
  local kind = string.byte(old, i)
  local bytes = 8 * widths[kind]
  if kind == 114 then bytes = bytes + 16 * unpackText('<d', raw, pos + 24) end
  if kind == 115 then bytes = bytes + 8 + 32 * unpackText('<d', raw, pos + 8) end
  found[sub(old, i, i + 7)] = sub(raw, pos, pos + bytes - 1)
  pos = pos + bytes
end

-- What the caller knows. Slots as they were held, column by column, are put side by side again.
local known, slots, slot = {}, 0, 3
for k = 1, #columns, 5 do
  if columns[k] == 115 then slots = slots + 1 end
end
for k = 1, #columns, 5 do
  local kind, o, start = columns[k], columns[k + 2], 11 + 8 * (k - 1) / 5
  local name = sub(head, start, start + 7)
  local text = found[name]
  found[name] = nil
  if kind == 115 then slot = slot + 1 end
  if text and kind == 98 then
    local capacity, _, level, since, refunded, generation, lent, before = unpackText('<dddddddd', text)
    -- The limit's amount may be another now: what was used stays used, and what is lent stays lent.
    local more = row[o] - capacity - lent - before
    row[o] = row[o] - lent - before
    row[o + 2], row[o + 3], row[o + 4] = level + more, since, refunded + more
    row[o + 5], row[o + 6], row[o + 7] = generation, lent, before
  elseif text and kind == 114 then
    row[o + 2], row[o + 3], row[o + 4], row[o + 5] = unpackText('<dddd', text, 17)
    row.entries[o] = sub(text, 49)
  elseif text and kind == 99 then
    row[o + 1], row[o + 2], row[o + 3] = unpackText('<ddd', text, 9)
  elseif text then
    for i = 0, unpackText('<d', text, 9) - 1 do
      local node, birth, expiry, units = unpackText('<dddd', text, 17 + 32 * i)
      local id = node .. ':' .. birth
      if not known[id] then
        known[id] = { node, birth, expiry }
        for other = 1, slots do known[id][3 + other] = 0 end
        row.holders[#row.holders + 1] = known[id]
      end
      known[id][slot] = units
    end
  end
end
if row.holders then living(row, row.holders) end

-- What it does not know.
local kept, texts, isNew = {}, {}, false
for i = 1, #names + #old, 8 do
  local name = sub(names .. old, i, i + 7)
  if found[name] then
    kept[#kept + 1], texts[#texts + 1], found[name] = name, found[name], nil
    isNew = isNew or i <= #names
  end
end
if #kept > 0 then
  -- What was somebody's own until now may count for as long as the row was to be kept.
  if isNew then stays = max(stays, now + max(0, call('PTTL', key))) end
  row.stays, row.kept = stays, table.concat(texts)
  row.head = sub(head, 1, -2) .. '|' .. table.concat(kept) .. ';' .. packText('<d', stays)
end
