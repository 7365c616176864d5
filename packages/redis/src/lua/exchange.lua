-- Keeps what processes tell each other of what answers taught them, and says what has changed. Whatever can fail is done before
-- anything is written.
--
-- KEYS    the lessons by name; their names by the mark of their last change: an instant, or the next whole number
-- ARGV 1  (see begin) after: the mark up to which the caller has heard; most that it hears at once; most names kept; how long, ms;
--         then for each lesson that is told how many of its last bytes are kept
-- ARGV 2  and on: name and bytes of each that is told; a name is there once
-- Reply   doubles 1, now, the mark to ask after next, 1 if there is more; then name and bytes of each lesson that changed
--@include begin
local after, piece, namesMax, keptMs = a[4], a[5], a[6], a[7]
local longest = 65536
local last = call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')
local top = tonumber(last[2] or 0)
-- A mark that was never given is from before the memory was lost.
if after > top then after = 0 end
local changed = call('ZRANGEBYSCORE', KEYS[2], string.format('(%.0f', after), '+inf', 'WITHSCORES', 'LIMIT', 0, piece + 1)
local told, mark, values = (#ARGV - 1) / 2, max(top, now), {}
for i = 1, told do values[i] = call('HGET', KEYS[1], ARGV[2 * i]) or '' end

if told > 0 then
  -- Without their names they would be kept for ever.
  if not last[1] then call('DEL', KEYS[1]) end
  for i = 1, told do
    call('HSET', KEYS[1], ARGV[2 * i], sub(values[i] .. ARGV[2 * i + 1], -a[7 + i]))
    call('ZADD', KEYS[2], mark + i, ARGV[2 * i])
  end
  local over = call('ZCARD', KEYS[2]) - namesMax
  if over > 0 then
    for _, name in ipairs(call('ZRANGE', KEYS[2], 0, over - 1)) do call('HDEL', KEYS[1], name) end
    call('ZREMRANGEBYRANK', KEYS[2], 0, over - 1)
  end
  call('PEXPIRE', KEYS[1], keptMs)
  call('PEXPIRE', KEYS[2], keptMs)
  top = mark + told
end

local more, reply = #changed > 2 * piece, { '' }
for i = 1, min(#changed, 2 * piece), 2 do
  local bytes = call('HGET', KEYS[1], changed[i])
  if bytes and #bytes <= longest then reply[#reply + 1], reply[#reply + 2] = changed[i], bytes end
  after = tonumber(changed[i + 1])
end
reply[1] = packText('<dddd', 1, now, more and after or top, more and 1 or 0)
return reply
