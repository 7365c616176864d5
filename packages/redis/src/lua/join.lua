-- Says that a node is there, or that it goes, and asks who else is.
--
-- KEYS    the nodes, each with the instant until which it is taken to be there
-- ARGV 1  (see begin) node, leaseMs, 1 to stay or 0 to go
-- Reply   doubles 1, now; number of nodes, and how many of them come before this one
--@include begin
local node, leaseMs = a[4], a[5]
if a[6] == 1 then
  call('ZADD', KEYS[1], max(now, server) + leaseMs, string.format('%.0f', node))
  call('PEXPIRE', KEYS[1], leaseMs + 60000)
else
  call('ZREM', KEYS[1], string.format('%.0f', node))
end
call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
-- Instants far ahead were written before the clock was set back.
call('ZREMRANGEBYSCORE', KEYS[1], max(now, server) + 2 * leaseMs + 5000, '+inf')
local nodes, before = call('ZRANGE', KEYS[1], 0, -1), 0
for _, other in ipairs(nodes) do
  if tonumber(other) < node then before = before + 1 end
end
return packText('<dddd', 1, now, #nodes, before)
