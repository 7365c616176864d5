-- What stands in the tails of rows: entries of rolling windows, and holders of slots.

-- Takes the tail of a row apart, where something of it is needed.
function openTail(row)
  local entries, kinds, o, pos = {}, row.plan.kinds, 2, row.tail
  for k = 1, #kinds, 2 do
    if kinds[k] == 114 then
      local bytes = 16 * row[o + 3]
      entries[o] = sub(row.raw, pos, pos + bytes - 1)
      pos = pos + bytes
    end
    o = o + widths[kinds[k]]
  end
  row.entries, row.tail = entries, pos
end

-- Rolling window, as packages/core/src/limits/rolling-window.ts. What still counts: the total, and how many of the oldest entries do
-- not. Entries that lie far ahead, because the clock was set back, are made one entry of now.
function rolled(row, o)
  local period = row[o + 1] / 60
  local total, n, newest, index = row[o + 2], row[o + 3], row[o + 4], floor(now / period)
  if n > 0 and newest * period > now + skew then
    row.entries[o], row[o + 3], row[o + 4], row.isAhead = packText('<dd', index, total), 1, index, true
    return total, 0
  end
  if n == 0 or newest < index - 60 then return 0, n end
  local dropped = 0
  local oldest, units = unpackText('<dd', row.entries[o])
  while oldest < index - 60 do
    total = total - units
    dropped = dropped + 1
    oldest, units = unpackText('<dd', row.entries[o], 16 * dropped + 1)
  end
  return total, dropped
end

-- Adds units to the sub-bucket of now, after `rolled`.
function rollAdd(row, o, units, total, dropped)
  local entries = row.entries[o]
  local n, newest, index = row[o + 3] - dropped, row[o + 4], floor(now / (row[o + 1] / 60))
  if dropped > 0 then entries = sub(entries, 16 * dropped + 1) end
  if n > 0 and newest >= index then
    local last = unpackText('<d', entries, 16 * n - 7)
    entries = sub(entries, 1, 16 * n - 8) .. packText('<d', last + units)
  elseif units ~= 0 then
    entries = entries .. packText('<dd', index, units)
    n, newest = n + 1, index
  end
  row.entries[o], row[o + 2], row[o + 3], row[o + 4] = entries, total + units, n, newest
end

-- Takes units back from the sub-bucket they were charged to, or from nowhere when it has passed.
function rollBack(row, o, units, index)
  local entries = row.entries[o]
  for i = row[o + 3] - 1, 0, -1 do
    local entry, held = unpackText('<dd', entries, 16 * i + 1)
    if entry == index then
      local taken = min(units, held)
      row[o + 2] = row[o + 2] - taken
      row.entries[o] = sub(entries, 1, 16 * i + 8) .. packText('<d', held - taken) .. sub(entries, 16 * i + 17)
      return
    end
    if entry < index then return end
  end
end

-- Those who hold slots of the row, as lists of node, birth, expiry and what is held of each column. A node that was not heard of for
-- the length of a lease holds nothing. Expiries are written by the later of what the caller believes and what the clock says, so that
-- those who believe a step first do not take the others for gone.
function openHolders(row)
  if row.holders and row.isHeld then return row.holders end
  local plan, holders, live = row.plan, row.holders, {}
  if not holders then
    if not row.entries then openTail(row) end
    holders = {}
    for i = 1, row[plan.numbers] do
      holders[i] = { unpackText(plan.holder, row.raw, row.tail + (i - 1) * 8 * plan.width) }
      holders[i][plan.width + 1] = nil
    end
  end
  row.holders, row.isHeld = live, true
  for i = 1, #holders do
    local holder = holders[i]
    -- An expiry far ahead was written before the clock was set back. That the row is written with it taken back, also by a refusal,
    -- is what ends the hold of a node that is gone.
    if holder[3] > max(now, server) + 2 * leaseMs + skew then holder[3], row.isAhead = now + leaseMs, true end
    if holder[3] > now then live[#live + 1] = holder end
  end
  return live
end

-- The tail of a row, put together again.
function tailOf(row)
  if not row.entries then return sub(row.raw, row.tail) end
  local plan, o, tail = row.plan, 2, ''
  for k = 1, #plan.kinds, 2 do
    if plan.kinds[k] == 114 then tail = tail .. row.entries[o] end
    o = o + widths[plan.kinds[k]]
  end
  if not plan.isSlotted then return tail end
  if not row.holders then return tail .. sub(row.raw, row.tail) end
  local holders = openHolders(row)
  row[plan.numbers] = #holders
  for i = 1, #holders do tail = tail .. packText(plan.holder, unpack(holders[i])) end
  return tail
end
