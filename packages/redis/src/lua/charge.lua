-- Decides over all limits of a set in one step, and charges every one of them or none. Any number of such decisions, in turn.
--
-- KEYS    the rows of each decision in turn
-- ARGV 1  (see begin) node, leaseMs, 1 if any plan has rolling windows or slots; then for each decision: number of its rows, and
--         for each of them: number of its plan, and units for each column of the plan
-- ARGV 2  and on: the plans, four arguments each (see row). The flag of a column:
--           '0' not asked    '1' must fit    '2' charged if it fits    '3' charged in any case
-- Reply   for each decision a text, in a list if there are several: doubles status, now and, for each row, its length, negative for
--         one that is bare (see row); then
--           status 0  refused: the rows as they are, empty where there is none
--                  1  charged: the rows as they were left
--                  3  charged, but not all: one byte for each column of each row, '0' for those that did not fit and need not;
--                     then the rows as they were left
--@include begin
--@include row
local node, leaseMs, hasTails = a[4], a[5], a[6] == 1
local openTail, rolled, rollAdd, living, openHolders, holdersOf, entriesOf
if hasTails then
  --@include tails
end
--@include open
--@include save

-- Rows are read once and written once, however many of the decisions they have a part in.
local rows, changed = {}, {}
local function rowOf(key, plan)
  local row = rows[key]
  if row and row.plan.head == plan.head then return row end
  -- Known under other limits until now.
  if row and row.isChanged then
    write(row, textOf(row))
    row.isChanged = false
  end
  row = open(key, plan)
  rows[key] = row
  return row
end

-- What was found of each column that is asked, three numbers a column: enough to charge it. False where nothing is charged. And of
-- each row of the decision, three a row: itself, its plan, and whether its entries have to be known. These lists have room for most
-- decisions from the start.
local found, own, lengths = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }, { 0, 0, 0, 0, 0, 0 }, { 0, 0, 0 }
local formats = { '<ddd', '<dddd', '<ddddd' }
local at, key1, reply, replies = 7, 1, nil, nil
while a[at] do
  local count, from, column, refused, skipped = a[at], at, -2, false, nil
  for g = 1, count do
    local plan = plans[a[at + 1]] or planOf(a[at + 1])
    local row, columns, mine = rowOf(KEYS[key1 + g - 1], plan), plan.columns, 3 * g
    own[mine - 2], own[mine - 1], own[mine] = row, plan, false
    at = at + 1
    for k = 1, #columns, 5 do
      local kind, flag = columns[k], columns[k + 1]
      at, column = at + 1, column + 3
      found[column] = false
      if flag ~= 48 then
        local o, units, fits = columns[k + 2], a[at], true
        local capacity = row[o]
        if kind == 98 then
          local level, since = bucketNow(row, o)
          found[column], found[column + 1] = level, since
          -- A rounding error is none.
          fits = level >= units - (row[o] + row[o + 6] + row[o + 7]) * 1e-9
        elseif kind == 114 then
          if not row.entries then openTail(row) end
          local total, dropped = rolled(row, o)
          found[column], found[column + 1] = total, dropped
          fits = total + units <= capacity
          -- With room for one more nobody has to know when which of the entries leaves.
          if total + units + 1 > capacity then own[mine] = true end
        elseif kind == 99 then
          --@include calendar
          found[column], found[column + 1], found[column + 2] = start, stop, used
          fits = used + units <= capacity
        else
          local holders, slot, held = openHolders(row), columns[k + 3], units
          for i = 1, #holders do held = held + holders[i][slot] end
          found[column], fits = true, held <= capacity
        end
        if not fits and flag == 49 then refused = true end
        if not fits and flag == 50 then
          found[column], skipped = false, true
        end
      end
    end
  end
  at = at + 1

  -- A refusal writes nothing, except that counters which a clock that was set back has left ahead are taken back to now.
  local flags, texts, u = '', '', from
  column = -2
  for g = 1, count do
    local row, columns, isTight = own[3 * g - 2], own[3 * g - 1].columns, own[3 * g]
    local touched = refused and row.isAhead
    if not refused then
      u = u + 1
      for k = 1, #columns, 5 do
        u, column = u + 1, column + 3
        local kind, o, f = columns[k], columns[k + 2], found[column]
        if f then
          touched = true
          if kind == 98 then
            row[o + 2], row[o + 3] = f - a[u], found[column + 1]
          elseif kind == 114 then
            rollAdd(row, o, a[u], f, found[column + 1])
            -- Nor when the last of them does, unless the newest holds nothing.
            if row[o + 5] == 0 then isTight = true end
          elseif kind == 99 then
            row[o + 1], row[o + 2], row[o + 3] = f, found[column + 1], found[column + 2] + a[u]
          else
            -- The node's hold is renewed; one that lapsed is another one after.
            local holders, slot, mine = openHolders(row), columns[k + 3], nil
            for i = 1, #holders do
              if holders[i][1] == node then mine = holders[i] end
            end
            if not mine then
              mine = { node, now, 0 }
              for i = 4, row.plan.width do mine[i] = 0 end
              holders[#holders + 1] = mine
            end
            mine[3], mine[slot] = max(now, server) + leaseMs, mine[slot] + a[u]
          end
        end
        if skipped then flags = flags .. (f and '1' or '0') end
      end
    end
    if touched then
      if not row.isChanged then changed[#changed + 1], row.isChanged = row, true end
      row.bare = false
    end
    local text
    if refused or skipped or isTight or row.head then
      text = row.isChanged and textOf(row) or row.raw
      lengths[g] = #text
    else
      text = bareOf(row)
      lengths[g] = -#text
    end
    texts = texts .. text
  end
  local format = formats[count] or '<dd' .. string.rep('d', count)
  formats[count] = format
  local status = refused and 0 or skipped and 3 or 1
  reply = packText(format, status, now, unpack(lengths, 1, count)) .. flags .. texts
  if replies then
    replies[#replies + 1] = reply
  elseif a[at] then
    replies = { reply }
  end
  key1 = key1 + count
end
for i = 1, #changed do
  local row = changed[i]
  if row.isChanged then write(row, textOf(row)) end
end
return replies or reply
