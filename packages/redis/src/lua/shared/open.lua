-- Plans and rows, opened. A plan is taken from the arguments once: where among them it begins, head, columns, format of the numbers
-- and how many there are, whether rows have tails, and how wide a holder of slots is. Its columns are a flat list, five numbers each:
-- kind, flag, `o`, which of a holder's numbers are its slots, and where it begins in the list of limits.
--
-- A row is its numbers, and: key, plan, its text as it stands in Redis (raw, empty for none) and where in that the tail begins; once
-- the tail is taken apart, entries of each rolling window by the index of its numbers, and holders; numbers and holders as a text (bare;
-- false: to be made), and whether it has to be written; and, where something is kept behind (see adopt), that, until when it has to stay, and the head that says so.
local plans = {}
local function planOf(number)
  local first, columns, width, o, l = 4 * number - 2, {}, 3, 2, 1
  local head, kinds, format = ARGV[first], ARGV[first + 1], ARGV[first + 2]
  local isTailed = false
  for i = 1, #kinds, 2 do
    local c, kind, flag, numbers, words = 5 * (i - 1) / 2, string.byte(kinds, i, i + 1)
    if kind == 98 then
      numbers, words = 8, 2
    elseif kind == 114 then
      numbers, words, isTailed = 6, 2, true
    elseif kind == 99 then
      numbers, words = 4, 4
    else
      numbers, words, isTailed, width = 1, 1, true, width + 1
    end
    columns[c + 1], columns[c + 2], columns[c + 3], columns[c + 4], columns[c + 5] = kind, flag, o, width, l
    o, l = o + numbers, l + words
  end
  local plan = { head = head, columns = columns, first = first, size = #head, numbers = #format - 1, format = format,
    isTailed = isTailed, isSlotted = width > 3, width = width, holder = width > 3 and '<' .. string.rep('d', width) }
  plans[number] = plan
  return plan
end

-- The limits of a plan as they stand in its list.
local function limitsOf(plan)
  if not plan.limits then plan.limits = cjson.decode(ARGV[plan.first + 3]) end
  return plan.limits
end

local function open(key, plan)
  local raw = call('GET', key)
  if raw and sub(raw, 1, plan.size) == plan.head then
    -- The fields that a charge may set are there from the start: a table that grows is filled anew.
    local row = { key = key, plan = plan, raw = raw, tail = #raw + 1, bare = false, entries = false, holders = false, isChanged = false,
      unpackText(plan.format, raw, plan.size + 1) }
    if plan.isTailed then row.tail = row[plan.numbers + 1] end
    row[plan.numbers + 1] = nil
    return row
  end

  -- Redis has no such row, or has it under other limits.
  local limits, entries, head, columns = limitsOf(plan), {}, plan.head, plan.columns
  local row = { now, key = key, plan = plan, raw = raw or '', tail = #(raw or '') + 1, bare = false, entries = entries, holders = false,
    isChanged = false }
  for k = 1, #columns, 5 do
    local kind, o, l = columns[k], columns[k + 2], columns[k + 4]
    row[o] = limits[l]
    if kind == 98 then
      row[o + 1], row[o + 2], row[o + 3], row[o + 4] = limits[l + 1], limits[l], now, 0
      row[o + 5], row[o + 6], row[o + 7] = 0, 0, 0
    elseif kind == 114 then
      row[o + 1], row[o + 2], row[o + 3], row[o + 4], row[o + 5], entries[o] = limits[l + 1], 0, 0, 0, 0, ''
    elseif kind == 99 then
      row[o + 1], row[o + 2], row[o + 3] = limits[l + 1], limits[l + 2], 0
    end
  end
  if plan.isSlotted then row.holders, row[plan.numbers] = {}, 0 end
  if raw then
    --@include adopt
  end
  return row
end
