-- Calendar window, as packages/core/src/store/columns.ts: `start` and `stop` of the window of the numbers at `o`, and what is `used` in it.
-- The caller brings the window that it believes is now and the one after. A window that has begun is not left for an earlier one;
-- only one that begins after the next is, with its count, so that a clock set far ahead and back locks nobody for longer than two.
local start, stop, used = row[o + 1], row[o + 2], row[o + 3]
if now < start or now >= stop then
  local limits, l = limitsOf(row.plan), row.plan.columns[k + 4]
  local first, second = limits[l + 1], limits[l + 2]
  if now >= second then first, second = second, limits[l + 3] end
  if start < first then
    start, stop, used = first, second, 0
  elseif start > limits[l + 2] then
    start, stop = first, second
    row[o + 1], row[o + 2], row.isAhead = start, stop, true
  end
end
