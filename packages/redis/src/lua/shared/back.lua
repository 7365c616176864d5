-- Takes units back from the sub-bucket they were charged to, or from nowhere when it has passed.
local function rollBack(row, o, units, index)
  if row[o + 4] == index then
    local taken = min(units, row[o + 5])
    row[o + 2], row[o + 5] = row[o + 2] - taken, row[o + 5] - taken
    return
  end
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
