-- Lends a process a share of each limit of a set, so that it decides on a hot key by itself for a while, and takes back what it has
-- left of the share before. The request that asks is decided in the same step: all of its limits have room for it, or none is
-- charged.
--
-- KEYS    the rows
-- ARGV 1  (see begin) node, leaseMs, 1 if any plan has rolling windows or slots, and for how many such requests a share is wanted,
--         0 for none; then for each row: number of its plan, its birth when the share before was lent, and for each column of the
--         plan: units asked, units wanted beyond them, and of the share before: units lent, units unspent, and its window
-- ARGV 2  and on: the plans, four arguments each (see row); columns are asked or not
-- Reply   doubles status, now; for how long the share may be spent, ms; for each row its length, and for each of its columns: units
--         charged or lent, window of the share (of a bucket: its generation), and what a refund has to know of the share before, now
--         that it is over; then the rows. status 0  refused: only what was left of the share before has been taken back
--                                                1  charged: nothing is lent
--                                                4  lent: what was asked is part of it
--@include begin
--@include row
local node, leaseMs, hasTails, requests = a[4], a[5], a[6] == 1, a[7]
local openTail, rolled, rollAdd, living, openHolders, holdersOf, entriesOf
if hasTails then
  --@include tails
end
--@include back
--@include open
--@include save

-- A bucket gives nothing back to a charge whose window is this. A share is worth lending for so many requests and ms; one of a bucket
-- ends a little before it lapses, so that it can be returned.
local nothing, fewest, lastsMin, returnMs = 1e300, 4, 100, 200

-- Takes a share of a bucket back. Returns the level, and what a refund of what was spent has to know. A debt is none of its business.
local function bucketBack(row, o, level, lent, unspent, generation)
  local place = generation == row[o + 5] and o + 6 or generation == row[o + 5] - 1 and o + 7
  if not place or row[place] < lent then return level, nothing end
  row[place], row[o], row[o + 4] = row[place] - lent, row[o] + lent, row[o + 4] + lent
  level = level + max(0, unspent)
  return level, level - row[o + 4]
end

local rows, at, column, isRefused, isReturned, lasts, share = {}, 8, 0, false, false, 2 * span, 1
local units, wants, windows, ends, found, second, third = {}, {}, {}, {}, {}, {}, {}
for g = 1, #KEYS do
  local plan, birth = plans[a[at]] or planOf(a[at]), a[at + 1]
  local row, columns = open(KEYS[g], plan), plan.columns
  rows[g], at = row, at + 2
  if plan.isTailed and not row.entries then openTail(row) end
  for k = 1, #columns, 5 do
    local kind, o, asked, wanted, lent, unspent, window = columns[k], columns[k + 2], a[at], a[at + 1], a[at + 2], a[at + 3], a[at + 4]
    -- What was spent beyond it is a surcharge, whatever became of the share.
    local room, debt, isOwn = 0, max(0, -unspent), lent > 0 and birth == row[1]
    at, column = at + 5, column + 1
    units[column], wants[column], windows[column], ends[column] = asked, wanted, 0, window
    isReturned = isReturned or lent > 0 or debt > 0
    if columns[k + 1] ~= 48 then
      if kind == 98 then
        local level, since = bucketNow(row, o)
        ends[column] = nothing
        if isOwn then level, ends[column] = bucketBack(row, o, level, lent, unspent, window) end
        level = level - debt
        row[o + 2], row[o + 3] = level, since
        if row[o + 6] + row[o + 7] == 0 then row[o + 5] = floor(now / span) end
        room, windows[column] = level + (row[o] + row[o + 6] + row[o + 7]) * 1e-9, row[o + 5]
        lasts = min(lasts, (floor(now / span) + 2) * span - returnMs - now)
      elseif kind == 114 then
        local period = row[o + 1] / 60
        if isOwn and unspent > 0 then rollBack(row, o, unspent, window) end
        if debt > 0 then rollAdd(row, o, debt, rolled(row, o)) end
        found[column], second[column] = rolled(row, o)
        room, windows[column] = row[o] - found[column], floor(now / period)
        lasts = min(lasts, (windows[column] + 1) * period - now)
      elseif kind == 99 then
        if isOwn and row[o + 1] == window then row[o + 3] = row[o + 3] - max(0, unspent) end
        --@include calendar
        if debt > 0 then row[o + 1], row[o + 2], row[o + 3], used = start, stop, used + debt, used + debt end
        found[column], second[column], third[column] = start, stop, used
        room, windows[column] = row[o] - used, start
        lasts = min(lasts, stop - now)
      end
      if asked > room then isRefused = true end
      -- Half of what there is room for is left to others.
      if wanted > 0 then share = min(share, (room - asked) / 2 / wanted) end
    end
  end
end

local isLent = not isRefused and share * requests >= fewest and lasts >= lastsMin
local status = isRefused and 0 or isLent and 4 or 1
local reply, texts = { status, now, isLent and floor(lasts) or 0 }, ''
column = 0
for g = 1, #KEYS do
  local row, columns, place = rows[g], rows[g].plan.columns, #reply + 1
  reply[place] = 0
  for k = 1, #columns, 5 do
    local kind, asked, o = columns[k], columns[k + 1] ~= 48, columns[k + 2]
    column = column + 1
    local taken = 0
    if asked and not isRefused then
      taken = units[column] + (isLent and floor(share * wants[column]) or 0)
      if kind == 98 then
        row[o + 2] = row[o + 2] - taken
        if isLent then row[o], row[o + 4], row[o + 6] = row[o] - taken, row[o + 4] - taken, row[o + 6] + taken end
      elseif kind == 114 then
        rollAdd(row, o, taken, found[column], second[column])
      elseif kind == 99 then
        row[o + 1], row[o + 2], row[o + 3] = found[column], second[column], third[column] + taken
      end
    end
    reply[#reply + 1], reply[#reply + 2], reply[#reply + 3] = taken, windows[column], ends[column]
  end
  row.isChanged = not isRefused or isReturned or row.isAhead
  local text = row.isChanged and textOf(row) or row.raw
  reply[place], texts = #text, texts .. text
end
for g = 1, #KEYS do
  if rows[g].isChanged then write(rows[g], textOf(rows[g])) end
end
return packText('<' .. string.rep('d', #reply), unpack(reply)) .. texts
