-- SPDX-License-Identifier: Apache-2.0 OR MIT
-- romip's signalling, by name, in Wireshark and tshark (4.0 or newer).
--
--   tshark -X lua_script:romip.lua -r core.pcap -Y romip
--   Wireshark: copy it into the folder "Personal Lua Plugins" of Help > About > Folders.
--
-- Wireshark's own dissector of Mobility Headers runs first and keeps its fields; this adds the names that
-- draft-ma-dmm-romip-00 and crates/mobility/README.md give to the same octets:
--   * sDBU, sDBA, dDBU, dDBA (MH types 5 and 6 with the draft's D flag) and Heartbeat (RFC 5847),
--     the answer matched with its question;
--   * MN HoA, CN-HoA, Cursor, Serving MAAR, attach time, MESG-ID;
--   * end markers (R-42): a packet without payload inside a tunnel;
--   * the RoMIP option of router solicitations and advertisements.
--
-- The draft's D is the bit that RFC 5213 calls P (proxy registration): on a link that also carries Proxy Mobile
-- IPv6 a message is taken for ours only while the preference below is on.

local romip = Proto("romip", "RoMIP distributed mobility")
romip.prefs.enabled_here = Pref.bool("Take D-flagged binding messages for RoMIP", true,
    "Off: only heartbeats, end markers and Neighbour Discovery options are named")

local BINDING_UPDATE, BINDING_ACK, HEARTBEAT = 5, 6, 13

local statuses = {
    [0] = "accepted", [4] = "accepted, more to come", [128] = "reason unspecified",
    [129] = "administratively prohibited", [130] = "insufficient resources",
    [135] = "sequence number out of window", [144] = "MESG-ID mismatch",
    [152] = "proxy registration not enabled", [153] = "not the MAAR of this MN",
    [154] = "sender not authorised", [155] = "not authorised for this HoA",
    [157] = "older than the attach time accepted", [158] = "HoA missing", [160] = "MN-ID missing",
}
local subtypes = { [1] = "MN-ID", [2] = "Session", [3] = "Assigned" }

local f = {
    message = ProtoField.string("romip.message", "Message"),
    seq = ProtoField.uint16("romip.seq", "Sequence #", base.HEX),
    lifetime = ProtoField.uint32("romip.lifetime", "Lifetime, seconds", base.DEC),
    status = ProtoField.uint8("romip.status", "Status", base.DEC, statuses),
    mn_id = ProtoField.string("romip.mn_id", "MN-ID"),
    attach_time = ProtoField.absolute_time("romip.attach_time", "Attach time", base.UTC),
    mesg_id = ProtoField.absolute_time("romip.mesg_id", "MESG-ID", base.UTC),
    hoa = ProtoField.ipv6("romip.hoa", "MN HoA"),
    cn = ProtoField.ipv6("romip.cn", "CN-HoA"),
    cursor_hoa = ProtoField.ipv6("romip.cursor.hoa", "Cursor, HoA"),
    cursor_cn = ProtoField.ipv6("romip.cursor.cn", "Cursor, CN"),
    serving = ProtoField.ipv6("romip.serving", "Serving MAAR"),
    spi = ProtoField.uint32("romip.spi", "SPI", base.HEX),
    mac = ProtoField.bytes("romip.mac", "MAC"),
    beat = ProtoField.uint32("romip.heartbeat.seq", "Heartbeat sequence #", base.DEC),
    restarts = ProtoField.uint32("romip.heartbeat.restart_counter", "Restart Counter", base.DEC),
    marker = ProtoField.ipv6("romip.end_marker", "End marker for"),
    marker_from = ProtoField.ipv6("romip.end_marker.from", "End marker from"),
    nd = ProtoField.uint8("romip.nd", "RoMIP option", base.DEC, subtypes),
    assigned = ProtoField.ipv6("romip.nd.assigned", "Assigned HoA"),
    answers = ProtoField.framenum("romip.answers", "Answers frame", base.NONE, frametype.RESPONSE),
    answer_in = ProtoField.framenum("romip.answer_in", "Answered in frame", base.NONE, frametype.REQUEST),
    took = ProtoField.double("romip.response_time", "Answered after, milliseconds"),
}
local fields = {}
for _, field in pairs(f) do fields[#fields + 1] = field end
romip.fields = fields

local malformed = ProtoExpert.new("romip.malformed", "An option leaves its message", expert.group.MALFORMED,
    expert.severity.ERROR)
romip.experts = { malformed }

-- Questions by their ends and number; a repeated question keeps the time of its first sending.
local questions, answers
function romip.init() questions, answers = {}, {} end

local NTP_EPOCH = 2208988800

local function ntp(range)
    local fraction = range(4, 4):uint() / 4294967296
    return NSTime.new(range(0, 4):uint() - NTP_EPOCH, math.floor(fraction * 1e9))
end

-- RFC 5213 section 8.8: 48 bits of seconds since 1970, 16 bits of fraction.
local function pmip_time(range)
    local seconds = range(0, 2):uint() * 4294967296 + range(2, 4):uint()
    return NSTime.new(seconds, math.floor(range(6, 2):uint() / 65536 * 1e9))
end

local function text_of(address_range) return tostring(address_range:ipv6()) end

-- One function per mobility option: adds its fields, and what the one-line summary needs to `said`.
local options = {
    [8] = function(tree, value, said)
        if value:len() < 2 then return end
        local nai = value(1)
        tree:add(f.mn_id, nai)
        said.mn_id = nai:string()
    end,
    [27] = function(tree, value)
        if value:len() == 8 then tree:add(f.attach_time, value, pmip_time(value)) end
    end,
    [10] = function(tree, value)
        if value:len() == 8 then tree:add(f.mesg_id, value, ntp(value)) end
    end,
    [22] = function(tree, value, said)
        if value:len() ~= 18 then return end
        tree:add(f.hoa, value(2, 16))
        said.places[#said.places + 1] = "HoA " .. text_of(value(2, 16))
    end,
    [18] = function(tree, value, said)
        if value:len() == 18 and value(0, 1):uint() == 1 then
            tree:add(f.cn, value(2, 16))
            said.places[#said.places + 1] = "CN-HoA " .. text_of(value(2, 16))
        elseif value:len() == 34 and value(0, 1):uint() == 2 then
            tree:add(f.cursor_hoa, value(2, 16))
            tree:add(f.cursor_cn, value(18, 16))
        end
    end,
    [68] = function(tree, value, said)
        if value:len() ~= 16 then return end
        tree:add(f.serving, value)
        said.places[#said.places + 1] = "at " .. text_of(value)
    end,
    [9] = function(tree, value)
        if value:len() < 5 then return end
        tree:add(f.spi, value(1, 4))
        tree:add(f.mac, value(5))
    end,
    [28] = function(tree, value)
        if value:len() == 4 then tree:add(f.restarts, value) end
    end,
}

local function walk(tree, octets, said)
    local at = 0
    while at < octets:len() do
        local kind = octets(at, 1):uint()
        if kind == 0 then
            at = at + 1
        else
            if at + 2 > octets:len() or at + 2 + octets(at + 1, 1):uint() > octets:len() then
                tree:add_proto_expert_info(malformed)
                return
            end
            local len = octets(at + 1, 1):uint()
            if options[kind] and len > 0 then options[kind](tree, octets(at + 2, len), said) end
            at = at + 2 + len
        end
    end
end

-- "sDBU", "sDBA", "dDBU", "dDBA", "Heartbeat" or nothing; `answer` where it is one.
local function name_of(mh)
    if mh:len() < 12 then return end
    local kind = mh(2, 1):uint()
    if kind == HEARTBEAT then
        local response = bit.band(mh(6, 2):uint(), 1) == 1
        return response and "Heartbeat response" or "Heartbeat", response
    end
    if not romip.prefs.enabled_here then return end
    if kind == BINDING_UPDATE then
        local flags = mh(8, 2):uint()
        if bit.band(flags, 0x8200) ~= 0x8200 then return end
        return bit.band(flags, 0x0100) ~= 0 and "dDBU" or "sDBU", false
    elseif kind == BINDING_ACK then
        local flags = mh(7, 1):uint()
        if bit.band(flags, 0x20) == 0 then return end
        return bit.band(flags, 0x10) ~= 0 and "dDBA" or "sDBA", true
    end
end

local function match(tree, pinfo, answer, number)
    local key = answer and (tostring(pinfo.dst) .. ">" .. tostring(pinfo.src)) or
        (tostring(pinfo.src) .. ">" .. tostring(pinfo.dst))
    key = key .. "#" .. number
    if not pinfo.visited then
        if not answer then
            -- Numbers are used again after a while: a question later than any answer takes so long is a new one.
            local old = questions[key]
            if not old or pinfo.rel_ts - old.at > 30 then
                questions[key] = { frame = pinfo.number, at = pinfo.rel_ts }
            end
            answers[pinfo.number] = { question = questions[key] }
        elseif questions[key] then
            local question = questions[key]
            question.answer = question.answer or pinfo.number
            answers[pinfo.number] = { answers = question.frame, took = (pinfo.rel_ts - question.at) * 1000 }
        end
    end
    local known = answers[pinfo.number]
    if not known then return end
    if known.answers then
        tree:add(f.answers, known.answers):set_generated()
        tree:add(f.took, known.took):set_generated()
    elseif known.question.answer then
        tree:add(f.answer_in, known.question.answer):set_generated()
    end
end

local original = DissectorTable.get("ip.proto"):get_dissector(135)

function romip.dissector(tvb, pinfo, root)
    local used = original and original:call(tvb, pinfo, root) or 0
    if tvb:captured_len() < 8 then return used end
    local mh = tvb():range(0, math.min(tvb:captured_len(), (tvb(1, 1):uint() + 1) * 8))
    local name, answer = name_of(mh)
    if not name then return used end

    local tree = root:add(romip, mh)
    tree:add(f.message, name):set_generated()
    local said = { places = {} }
    local number
    if mh(2, 1):uint() == HEARTBEAT then
        number = mh(8, 4):uint()
        tree:add(f.beat, mh(8, 4))
    else
        local seq = answer and mh(8, 2) or mh(6, 2)
        number = seq:uint()
        tree:add(f.seq, seq)
        if answer then
            tree:add(f.status, mh(6, 1))
            local status = mh(6, 1):uint()
            said.status = statuses[status] or ("status " .. status)
        end
        tree:add(f.lifetime, mh(10, 2), mh(10, 2):uint() * 4)
    end
    if mh:len() > 12 then walk(tree, mh(12), said) end
    match(tree, pinfo, answer, number)

    local info = { name, string.format("#%x", number) }
    if said.status then info[#info + 1] = said.status end
    if said.mn_id then info[#info + 1] = said.mn_id end
    if #said.places > 0 then info[#info + 1] = table.concat(said.places, ", ") end
    tree:append_text(", " .. table.concat(info, " "))
    pinfo.cols.protocol = "RoMIP"
    pinfo.cols.info = table.concat(info, " ")
    return used
end

DissectorTable.get("ip.proto"):add(135, romip)

-- What other dissectors have taken apart already is read from their fields, behind all of them.
local beside = Proto("romip_beside", "RoMIP in other protocols")
local ip_next, ip_len = Field.new("ipv6.nxt"), Field.new("ipv6.plen")
local ip_src, ip_dst = Field.new("ipv6.src"), Field.new("ipv6.dst")
local icmp_type = Field.new("icmpv6.type")

local RS, RA, ROMIP_OPTION = 133, 134, 253
local MAGIC = 0x526f4d50 -- "RoMP"

local function end_marker(pinfo, root)
    local nexts, lens = { ip_next() }, { ip_len() }
    local last = #nexts
    if last < 2 or #lens ~= last or nexts[last].value ~= 59 or lens[last].value ~= 0 then return end
    local from, to = ({ ip_src() })[last], ({ ip_dst() })[last]
    local tree = root:add(romip, to.range)
    tree:add(f.message, "End marker"):set_generated()
    tree:add(f.marker, to.range)
    tree:add(f.marker_from, from.range)
    tree:append_text(", end marker (R-42) from " .. tostring(from.value) .. " for " .. tostring(to.value))
    pinfo.cols.protocol = "RoMIP"
    pinfo.cols.info = "End marker for " .. tostring(to.value) .. " from " .. tostring(from.value)
end

local function nd_option(tree, option)
    local sub = option(2, 1):uint()
    local body = option(8)
    local at = tree:add(f.nd, option(2, 1))
    if sub == 1 and option(3, 1):uint() <= body:len() then
        at:add(f.mn_id, body(0, option(3, 1):uint()))
    elseif sub == 2 and body:len() >= 32 then
        at:add(f.hoa, body(0, 16))
        at:add(f.cn, body(16, 16))
    elseif sub == 3 and body:len() >= 16 then
        at:add(f.assigned, body(0, 16))
    end
end

local function nd_options(tvb, root)
    local kind = icmp_type()
    if not kind or (kind.value ~= RS and kind.value ~= RA) then return end
    local at = kind.offset + (kind.value == RS and 8 or 16)
    local tree
    while at + 8 <= tvb:captured_len() do
        local len = tvb(at + 1, 1):uint() * 8
        if len == 0 or at + len > tvb:captured_len() then return end
        if tvb(at, 1):uint() == ROMIP_OPTION and len > 8 and tvb(at + 4, 4):uint() == MAGIC then
            tree = tree or root:add(romip, tvb(at, len))
            nd_option(tree, tvb(at, len))
        end
        at = at + len
    end
end

function beside.dissector(tvb, pinfo, root)
    end_marker(pinfo, root)
    nd_options(tvb, root)
end

register_postdissector(beside)
