-- Ends receipts with what they really cost: surcharges to the windows of now, refunds to the windows charged or nowhere, slots
-- given back. A batch counts once, however often it is sent.
--
-- KEYS    the sender's mark, then the rows
-- ARGV 1  (see begin) node, leaseMs; number of the batch, and for how long its mark is kept, ms; then for each row: number of its
--         plan, number of endings, and for each of them: the row's birth at the charge, instant of the charge, birth of the node's
--         hold on slots, number of parts, and for each part: column from 1, units more (or less), window charged, units
--         charged in all
-- ARGV 2  and on: the plans, four arguments each (see row)
-- Reply   doubles 1, now
--@include begin
--@include row
local node, leaseMs, batch, keptMs, hasTails = a[4], a[5], a[6], a[7], true
local done = packText('<dd', 1, now)
if tonumber(call('GET', KEYS[1]) or -1) >= batch then return done end
local openTail, rolled, rollAdd, living, openHolders, holdersOf, entriesOf
--@include tails
--@include back
--@include open
--@include save

-- What of `units` a refund may give back: see bucketRefund in packages/core/src/limits/token-bucket.ts.
-- A share whose window is `nothing` left none to know (see lease.lua).
local nothing = 1e300
local function bucketBack(units, charged, levelCharged, elapsed, refundedSince, rate, capacity)
  if levelCharged == nothing then return 0 end
  local left = max(charged, capacity - levelCharged - refundedSince) - elapsed * rate
  if left >= units - capacity * 1e-9 then return units end
  return max(0, left)
end

-- More of a column. Nothing is asked: what was used is used.
local function surcharge(row, k, more)
  local columns = row.plan.columns
  local kind, o = columns[k], columns[k + 2]
  if kind == 98 then
    local level, since = bucketNow(row, o)
    row[o + 2], row[o + 3] = level - more, since
  elseif kind == 114 then
    rollAdd(row, o, more, rolled(row, o))
  elseif kind == 99 then
    --@include calendar
    row[o + 1], row[o + 2], row[o + 3] = start, stop, used + more
  end
end

-- Less of a column whose row is still the one that was charged.
local function refund(row, k, less, window, charged, chargedAt)
  local columns = row.plan.columns
  local kind, o = columns[k], columns[k + 2]
  if kind == 98 then
    local level, since = bucketNow(row, o)
    local back = bucketBack(less, charged, window, since - chargedAt, row[o + 4], row[o + 1], row[o])
    row[o + 2], row[o + 3], row[o + 4] = min(row[o], level + back), since, row[o + 4] + back
  elseif kind == 114 then
    rollBack(row, o, less, window)
  elseif kind == 99 and row[o + 1] == window then
    row[o + 3] = max(0, row[o + 3] - less)
  end
end

-- Slots of a node's hold, if that is still the one they were taken under.
local function letGo(row, slot, units, birth)
  local holders = openHolders(row)
  for i, holder in ipairs(holders) do
    if holder[1] == node and holder[2] == birth then
      holder[slot] = max(0, holder[slot] - units)
      local held = 0
      for n = 4, #holder do held = held + holder[n] end
      if held == 0 then table.remove(holders, i) end
      return
    end
  end
end

-- All rows are opened before the first is written: what can fail has failed by then.
local rows, at = {}, 8
for g = 2, #KEYS do
  local plan, endings = plans[a[at]] or planOf(a[at]), a[at + 1]
  local columns, row = plan.columns, open(KEYS[g], plan)
  if not row.entries then openTail(row) end
  row.isChanged = row.raw ~= ''
  at = at + 2
  for _ = 1, endings do
    local birth, chargedAt, lease, parts = a[at], a[at + 1], a[at + 2], a[at + 3]
    at = at + 4
    for _ = 1, parts do
      local column, more, window, charged = a[at], a[at + 1], a[at + 2], a[at + 3]
      local k = 5 * column - 4
      at = at + 4
      if columns[k] == 115 then
        letGo(row, columns[k + 3], -more, lease)
      elseif more > 0 then
        row.isChanged = true
        surcharge(row, k, more)
      elseif row[1] == birth then
        refund(row, k, -more, window, charged, chargedAt)
      end
    end
  end
  rows[g] = row
end
for g = 2, #KEYS do
  if rows[g].isChanged then write(rows[g], textOf(rows[g])) end
end
call('SET', KEYS[1], string.format('%.0f', batch), 'PX', keptMs)
return done
