-- Renews what a node holds of slots, for the length of a lease from now. A hold that Redis does not know, because its lease lapsed or
-- the row was lost, is not renewed; the node may ask then to hold anew, and gets as much as there is room for beside the others.
--
-- KEYS    the rows
-- ARGV 1  (see begin) node, leaseMs; then for each row: number of its plan, birth of the hold, or 0 to hold anew; 1 if the node is
--         sure of how much it holds; and slots for each column of slots
-- ARGV 2  and on: the plans, four arguments each (see row)
-- Reply   doubles 1, now; then for each row: birth of the hold, 0 if Redis does not know it; and slots for each column of slots
--@include begin
--@include row
local node, leaseMs, hasTails = a[4], a[5], true
local openTail, rolled, rollAdd, living, openHolders, holdersOf, entriesOf
--@include tails
--@include open
--@include save

local rows, reply, at = {}, { 1, now }, 6
for g = 1, #KEYS do
  local plan, birth, isSure = plans[a[at]] or planOf(a[at]), a[at + 1], a[at + 2] == 1
  local columns, row = plan.columns, open(KEYS[g], plan)
  at = at + 3
  local holders, own = openHolders(row), nil
  for _, holder in ipairs(holders) do
    if holder[1] == node then own = holder end
  end
  if birth == 0 and not own then
    own = { node, now, 0 }
    for slot = 4, plan.width do own[slot] = 0 end
    holders[#holders + 1] = own
  end
  local isHeld = own and (birth == 0 or own[2] == birth)
  if isHeld then
    own[3], rows[g] = max(now, server) + leaseMs, row
    reply[#reply + 1] = own[2]
  else
    reply[#reply + 1] = 0
  end
  for k = 1, #columns, 5 do
    if columns[k] == 115 then
      local o, slot, units, held = columns[k + 2], columns[k + 3], a[at], 0
      for _, holder in ipairs(holders) do held = held + holder[slot] end
      if isHeld and birth == 0 then
        units = max(0, min(units, row[o] - held))
        own[slot] = own[slot] + units
      elseif isHeld and isSure then
        own[slot] = units
      end
      reply[#reply + 1] = units
      at = at + 1
    end
  end
end
for g = 1, #KEYS do
  if rows[g] then write(rows[g], textOf(rows[g])) end
end
return packText('<' .. string.rep('d', #reply), unpack(reply))
