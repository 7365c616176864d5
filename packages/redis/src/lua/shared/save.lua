-- The text of a row as it is now.
local function textOf(row)
  local plan = row.plan
  -- Taken first: it says how many holders there are.
  local tail = plan.isTailed and tailOf(row) or ''
  if row.head then
    return row.head .. packText(plan.format, unpack(row, 1, plan.numbers)) .. tail .. row.kept
  end
  return packText(plan.whole, plan.head, unpack(row, 1, plan.numbers)) .. tail
end

-- Writes a row, to expire once all of it is as good as fresh.
local function write(row, text)
  local key, kinds, o, stays = row.key, row.plan.kinds, 2, row.stays or 0
  for k = 1, #kinds, 2 do
    local kind, until_ = kinds[k], 0
    if kind == 98 then
      until_ = row[o + 3] + (row[o] + row[o + 6] + row[o + 7] - row[o + 2]) / row[o + 1]
    elseif kind == 114 then
      if row[o + 3] > 0 then until_ = (row[o + 4] + 61) * (row[o + 1] / 60) end
    elseif kind == 99 and row[o + 3] > 0 then
      until_ = row[o + 2]
    end
    if until_ > stays then stays = until_ end
    o = o + widths[kind]
  end
  if row.plan.isSlotted then
    for _, holder in ipairs(openHolders(row)) do stays = max(stays, holder[3]) end
  end
  call('SET', key, text, 'PX', min(longest, ceil(max(0, stays - now)) + grace))
end
