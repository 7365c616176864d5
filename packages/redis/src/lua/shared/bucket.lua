-- Token bucket, as packages/core/src/limits/token-bucket.ts, of which a part may be lent (see lease.lua).
--
-- What is lent is taken off the capacity as well as off the level: it does not come back by time while somebody may still spend it,
-- so that level and shares together never exceed what the bucket holds. Returned, it counts as charged in that instant, as far as
-- it was spent. Shares are lent by generation, and count as spent when the generation after it has passed: nobody has to remember
-- who has them.
local span = 1000

-- Level now, and the instant to keep with it. Shares of generations that have passed are spent.
local function bucketNow(row, o)
  local level, since = row[o + 2], row[o + 3]
  if now > since then
    level, since = min(level + (now - since) * row[o + 1], row[o]), now
  elseif since - now > skew then
    since, row[o + 3], row.isAhead = now, now, true
  end
  if row[o + 6] + row[o + 7] == 0 then return level, since end
  local generation, from, over = floor(now / span), row[o + 5], row[o + 7]
  if from > generation then
    -- Lent before the clock was set back.
    if (from - generation) * span > skew + span then row[o + 5], row.isAhead = generation, true end
  elseif from < generation then
    if from == generation - 1 then row[o + 7] = row[o + 6] else over, row[o + 7] = over + row[o + 6], 0 end
    row[o + 5], row[o + 6] = generation, 0
    row[o], row[o + 4] = row[o] + over, row[o + 4] + over
  end
  return level, since
end
