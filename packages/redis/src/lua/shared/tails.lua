-- What stands in the tails of rows: entries of rolling windows, and holders of slots.

-- Takes the tail of a row apart, where something of it is needed.
function openTail(row)
  local plan, entries, pos = row.plan, {}, row.tail
  local columns = plan.columns
  if plan.isSlotted then pos = pos + 8 * plan.width * row[plan.numbers] end
  for k = 1, #columns, 5 do
    if columns[k] == 114 then
      local o = columns[k + 2]
      local bytes = 16 * row[o + 3]
      entries[o] = bytes == 0 and '' or sub(row.raw, pos, pos + bytes - 1)
      pos = pos + bytes
    end
  end
  row.entries = entries
end

-- Rolling window, as packages/core/src/limits/rolling-window.ts. Its newest sub-bucket stands among the numbers, so that a charge
-- leaves the others as they are. What still counts: the total, and how many of the oldest entries do not. A window that lies far
-- ahead, because the clock was set back, is made one sub-bucket of now.
function rolled(row, o)
  local period = row[o + 1] / 60
  local total, n, newest, index = row[o + 2], row[o + 3], row[o + 4], floor(now / period)
  if newest * period > now + skew then
    row.entries[o], row[o + 3], row[o + 4], row[o + 5], row.isAhead = '', 0, index, total, true
    return total, 0
  end
  if newest < index - 60 then return 0, n end
  if n == 0 then return total, 0 end
  local entries, dropped = row.entries[o], 0
  local oldest, units = unpackText('<dd', entries)
  while oldest < index - 60 do
    total, dropped = total - units, dropped + 1
    if dropped == n then break end
    oldest, units = unpackText('<dd', entries, 16 * dropped + 1)
  end
  return total, dropped
end

-- Adds units to the sub-bucket of now, after `rolled`.
function rollAdd(row, o, units, total, dropped)
  local newest, latest, index = row[o + 4], row[o + 5], floor(now / (row[o + 1] / 60))
  if dropped > 0 then
    row.entries[o], row[o + 3] = sub(row.entries[o], 16 * dropped + 1), row[o + 3] - dropped
  end
  if newest >= index then
    row[o + 5] = latest + units
  elseif units ~= 0 then
    if newest >= index - 60 and newest + latest > 0 then
      row.entries[o], row[o + 3] = row.entries[o] .. packText('<dd', newest, latest), row[o + 3] + 1
    end
    row[o + 4], row[o + 5] = index, units
  elseif newest < index - 60 then
    row[o + 4], row[o + 5] = 0, 0
  end
  row[o + 2] = total + units
end

-- Those who hold slots of the row, as lists of node, birth, expiry and what is held of each column. A node that was not heard of for
-- the length of a lease holds nothing. Expiries are written by the later of what the caller believes and what the clock says, so that
-- those who believe a step first do not take the others for gone.
function living(row, holders)
  local live = 0
  for i = 1, #holders do
    local holder = holders[i]
    -- An expiry far ahead was written before the clock was set back. That the row is written with it taken back, also by a refusal,
    -- is what ends the hold of a node that is gone.
    if holder[3] > max(now, server) + 2 * leaseMs + skew then holder[3], row.isAhead = now + leaseMs, true end
    holders[i] = nil
    if holder[3] > now then
      live = live + 1
      holders[live] = holder
    end
  end
  return holders
end

function openHolders(row)
  if row.holders then return row.holders end
  local plan, holders = row.plan, {}
  if not row.entries then openTail(row) end
  for i = 1, row[plan.numbers] do
    holders[i] = { unpackText(plan.holder, row.raw, row.tail + (i - 1) * 8 * plan.width) }
    holders[i][plan.width + 1] = nil
  end
  row.holders = living(row, holders)
  return holders
end

-- Holders as they are written, and how many of them set among the numbers.
function holdersOf(row)
  local plan, holders, text = row.plan, openHolders(row), ''
  row[plan.numbers] = #holders
  for i = 1, #holders do text = text .. packText(plan.holder, unpack(holders[i])) end
  return text
end

-- Entries as they are written.
function entriesOf(row)
  local columns, text = row.plan.columns, ''
  if not row.entries then openTail(row) end
  for k = 1, #columns, 5 do
    if columns[k] == 114 then text = text .. row.entries[columns[k + 2]] end
  end
  return text
end
