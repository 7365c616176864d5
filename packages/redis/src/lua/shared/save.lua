-- A row's numbers and holders.
local function bareOf(row)
  if row.bare then return row.bare end
  local plan = row.plan
  -- Taken first: it says how many holders there are.
  local holders = plan.isSlotted and holdersOf(row) or ''
  local bare = packText(plan.format, unpack(row, 1, plan.numbers)) .. holders
  row.bare = bare
  return bare
end

-- The text of a row as it is now.
local function textOf(row)
  local plan, bare = row.plan, bareOf(row)
  if plan.isTailed then bare = bare .. entriesOf(row) end
  return row.head and row.head .. bare .. row.kept or plan.head .. bare
end

-- Writes a row, to expire once all of it is as good as fresh.
local function write(row, text)
  local key, columns, stays = row.key, row.plan.columns, row.stays or 0
  for k = 1, #columns, 5 do
    local kind, o, until_ = columns[k], columns[k + 2], 0
    if kind == 98 then
      until_ = row[o + 3] + (row[o] + row[o + 6] + row[o + 7] - row[o + 2]) / row[o + 1]
    elseif kind == 114 then
      until_ = (row[o + 4] + 61) * (row[o + 1] / 60)
    elseif kind == 99 and row[o + 3] > 0 then
      until_ = row[o + 2]
    end
    if until_ > stays then stays = until_ end
  end
  if row.plan.isSlotted then
    local holders = openHolders(row)
    for i = 1, #holders do stays = max(stays, holders[i][3]) end
  end
  -- Spelt here: Redis spells a number as if it had a fraction, which takes as long as all of this.
  call('SET', key, text, 'PX', string.format('%d', min(longest, ceil(max(0, stays - now)) + grace)))
end
