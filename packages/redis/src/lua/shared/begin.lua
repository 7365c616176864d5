-- How every script begins. ARGV 1 is a flat list in JSON, `a`: expected, ahead, fake, and what else the script is told.
--
-- `now`, the instant of the command in whole ms, is the server's clock, read once, less the step that the caller does not believe
-- yet (`ahead`). Nothing is executed when that clock is more than `patience` from where the caller expects it (0: it does not know
-- yet): then the command was held up for so long that its caller has given up, or the clock was stepped. The answer then is 2 and
-- what the clock says. `fake` stands in for the clock in tests; 0 in earnest.
local call, unpackText, packText, sub = redis.call, struct.unpack, struct.pack, string.sub
local max, min, floor, ceil = math.max, math.min, math.floor, math.ceil
local patience = 1000
local a = cjson.decode(ARGV[1])
local server = a[3]
if server == 0 then
  local time = call('TIME')
  server = time[1] * 1000 + floor(time[2] / 1000)
end
if a[1] ~= 0 and math.abs(server - a[1]) > patience then return packText('<dd', 2, server) end
local now = server - a[2]
