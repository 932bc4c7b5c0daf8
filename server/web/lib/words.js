// Every word of the screens in both languages, the names that the server has for states and choices, and times.

import { get } from './client.js'

const words = /** @type {Record<string, [zh: string, en: string]>} */ ({
  // what stands everywhere
  desk: ['监督工作台', 'Supervision desk'],
  signIn: ['登录', 'Sign in'],
  signOut: ['退出', 'Sign out'],
  signInAgain: ['会话已结束，请重新登录。已输入的内容都在。', 'The session has ended. Sign in again; what you typed is still here.'],
  login: ['登录名', 'Sign-in name'],
  password: ['密码', 'Password'],
  code: ['设备一次性代码', 'One-time code for this device'],
  codeWhy: ['首次在这台电脑登录时，向管理员索取。', 'Needed once on each computer; your administrator has it.'],
  officeComputer: ['办公电脑', 'Office computer'],
  offline: ['连接不上服务器，未作任何更改。', 'The server cannot be reached. Nothing was changed.'],
  serverFailed: ['服务器出错（{0}）。', 'The server failed ({0}).'],
  again: ['重试', 'Try again'],
  loading: ['读取中…', 'Loading…'],
  close: ['关闭', 'Close'],
  cancel: ['取消', 'Cancel'],
  keys: ['快捷键', 'Keys'],
  otherLanguage: ['English', '中文'],
  skip: ['跳到正文', 'Skip to content'],
  // the inbox
  inbox: ['收件箱', 'Inbox'],
  inboxN: ['收件箱（{0}）', 'Inbox ({0})'],
  unread: ['未读', 'unread'],
  markRead: ['标为已读', 'Mark as read'],
  nothingTold: ['没有通知。', 'Nothing was told to you.'],
  // the queue
  queue: ['审核队列', 'Review queue'],
  waiting: ['待审核', 'Waiting'],
  withInspector: ['在检查人员处', 'With the inspector'],
  decided: ['已处理', 'Decided'],
  nothingWaits: ['没有待审核的报告。', 'No report waits for review.'],
  nothingHere: ['没有报告。', 'No reports.'],
  findReport: ['查找：项目点、人员、日期', 'Find: site, person, date'],
  anyFlags: ['全部标记等级', 'Flags of any severity'],
  onlyNew: ['只看新的和有变化的', 'Only new or changed'],
  next: ['下一项', 'Next'],
  previous: ['上一项', 'Previous'],
  open: ['打开', 'Open'],
  backToQueue: ['返回队列', 'Back to the queue'],
  site: ['项目点', 'Site'],
  inspectors: ['检查人员', 'Inspectors'],
  waits: ['等待', 'Waits'],
  state: ['状态', 'State'],
  contents: ['内容', 'Contents'],
  flagsOpen: ['未处置标记', 'Flags'],
  photosN: ['照片 {0}', '{0} photos'],
  findingsN: ['问题 {0}', '{0} findings'],
  interviewsN: ['访谈 {0}', '{0} interviews'],
  returnsN: ['退回 {0} 次', 'returned {0} times'],
  changed: ['有变化', 'changed'],
  fresh: ['新', 'new'],
  deadlineAt: ['期限 {0}', 'due {0}'],
  minutes: ['{0} 分钟', '{0} min'],
  hours: ['{0} 小时', '{0} h'],
  days: ['{0} 天', '{0} d'],
  more: ['还有更多，未列出。', 'There are more than are listed.'],
  // a report
  answers: ['检查事项', 'Checklist'],
  yes: ['是', 'Yes'],
  no: ['否', 'No'],
  cannotObtain: ['无法取得：{0}', 'Cannot be obtained: {0}'],
  notAnswered: ['未填写', 'Not answered'],
  lastVisit: ['上次：{0}', 'Last visit: {0}'],
  lastReturned: ['上次退回意见：{0}', 'Returned before: {0}'],
  comment: ['退回意见', 'Comment'],
  commentOn: ['对“{0}”的退回意见', 'Comment on “{0}”'],
  writeComment: ['写退回意见', 'Comment on this item'],
  nextItem: ['下一事项', 'Next item'],
  previousItem: ['上一事项', 'Previous item'],
  firstPhoto: ['看照片', 'Look at the photos'],
  otherPhotos: ['其他照片', 'Other photos'],
  summary: ['小结', 'Summary'],
  findings: ['发现问题', 'Findings'],
  interviews: ['访谈', 'Interviews'],
  cadrePresent: ['干部在场', 'A cadre was present'],
  noConsent: ['未取得知情同意', 'Consent was not given'],
  flags: ['系统标记', 'Flags'],
  noFlags: ['没有标记。', 'No flags.'],
  decideFlag: ['处置标记', 'Decide the flag'],
  reason: ['理由', 'Reason'],
  keptTitle: ['留待处理的操作', 'Kept operations'],
  keptSay: ['{0} 项操作未被采纳，等待处理；通过时会记入。', '{0} operations were not taken in and wait; an approval names them.'],
  conflictsTitle: ['冲突', 'Conflicts'],
  conflictsSay: ['{0} 处冲突未解决。', '{0} conflicts are open.'],
  before: ['上次检查', 'The visit before'],
  works: ['付款与形象进度', 'Paid against built'],
  paid: ['已付', 'Paid'],
  built: ['已完成', 'Built'],
  planned: ['计划', 'Planned'],
  times: ['时间', 'Times'],
  deviceTime: ['设备时间', 'Device'],
  serverTime: ['服务器时间', 'Server'],
  startedAt: ['开始', 'Began'],
  endedAt: ['结束', 'Ended'],
  submittedAt: ['提交', 'Handed in'],
  map: ['位置', 'Where'],
  mapOf: ['项目点、取景点与照片位置图', 'Map of the site, its photo points and the photos'],
  metres: ['{0} 米', '{0} m'],
  restsOn: ['支撑：问题 {0}，证据 {1}，线索 {2}', 'Rests on it: {0} findings, {1} links, {2} clues'],
  // what is done
  take: ['开始审核', 'Take for review'],
  approve: ['通过', 'Approve'],
  return: ['退回', 'Return'],
  approveThis: ['通过这份报告？', 'Approve this report?'],
  nothingOpen: ['没有未决事项。', 'Nothing is undecided.'],
  missingN: ['{0} 张照片尚未上传', '{0} photos have not arrived'],
  unexaminedN: ['{0} 张照片尚未检查', '{0} photos were not examined yet'],
  blockingN: ['{0} 个阻断标记未处置', '{0} blocking flags are undecided'],
  highN: ['{0} 个高等级标记未处置，通过即写明', '{0} flags of high severity are undecided; the approval names them'],
  cannotYet: ['现在还不能通过：', 'It cannot be approved yet:'],
  returnThis: ['退回 {0} 个事项', 'Return on {0} items'],
  returnNeeds: ['先在要更正的事项上写意见（c）。', 'First write a comment on each item that is to be corrected (c).'],
  deadline: ['更正期限', 'To be corrected by'],
  approved: ['已通过：{0}', 'Approved: {0}'],
  returned: ['已退回：{0}', 'Returned: {0}'],
  taken: ['由您审核。', 'You review it now.'],
  lastOfChosen: ['筛选出的报告已审完。', 'None of the reports that were chosen is left.'],
  lastOfQueue: ['队列已审完。', 'The queue is empty.'],
  changedMeanwhile: ['这份报告刚有变化，已重新读取；您写的意见仍在。', 'The report has just changed and was read again; your comments are still here.'],
  readAgain: ['重新读取', 'Read it again'],
  // a photo
  photo: ['照片', 'Photo'],
  photoOf: ['第 {0} 张，共 {1} 张', '{0} of {1}'],
  seenOf: ['已看 {0} / {1}', 'seen {0} of {1}'],
  nextPhoto: ['下一张', 'Next photo'],
  previousPhoto: ['上一张', 'Previous photo'],
  pair: ['与上次对比', 'Compare with the last visit'],
  noPair: ['上次在同一取景点没有照片。', 'The last visit has no photo at this point.'],
  thisVisit: ['本次', 'This visit'],
  thatVisit: ['上次', 'Last visit'],
  original: ['原件', 'Original'],
  details: ['详情', 'Details'],
  zoomIn: ['放大', 'Zoom in'],
  zoomOut: ['缩小', 'Zoom out'],
  fit: ['适合窗口', 'Fit'],
  notHere: ['照片尚未上传', 'The photo has not arrived'],
  caption: ['说明', 'Caption'],
  takenAt: ['拍摄', 'Taken'],
  receivedAt: ['收到', 'Received'],
  camera: ['设备', 'Camera'],
  size: ['大小', 'Size'],
  receipt: ['回执', 'Receipt'],
  point: ['取景点', 'Photo point'],
  how: ['方式', 'How'],
  // records of any kind
  start: ['首页', 'Start'],
  records: ['台账', 'Records'],
  clues: ['问题线索', 'Clues'],
  campaigns: ['回头看', 'Campaigns'],
  people: ['人员', 'People'],
  groupCases: ['线索与问题', 'Cases'],
  groupVisits: ['现场检查', 'Visits'],
  groupRevisits: ['回头看', 'Revisits'],
  groupPlaces: ['项目与模板', 'Projects and templates'],
  groupRest: ['其他', 'Other'],
  newOne: ['新建', 'New'],
  newOf: ['新建{0}', 'New {0}'],
  filters: ['筛选', 'Filter'],
  allOf: ['全部', 'All'],
  find: ['查找', 'Find'],
  choose: ['请选择', 'Choose'],
  key: ['键', 'Key'],
  remove: ['移除', 'Remove'],
  required: ['必填', 'required'],
  latitude: ['纬度', 'Latitude'],
  longitude: ['经度', 'Longitude'],
  coordinates: ['坐标系', 'Coordinates'],
  changedAt: ['更新', 'Changed'],
  nothingSuch: ['没有符合条件的记录。', 'No record is like this.'],
  nothingYet: ['还没有记录。', 'There is no record yet.'],
  showMore: ['显示更多', 'Show more'],
  noSuchPage: ['没有这个页面，或不对您开放。', 'There is no such page, or it is not for you.'],
  notForYou: ['（不对您开放）', '(not for you)'],
  save: ['保存', 'Save'],
  saved: ['已保存：{0}', 'Saved: {0}'],
  change: ['修改', 'Change'],
  changeOf: ['修改：{0}', 'Change: {0}'],
  changedByOther: ['其他人刚刚改了这些内容，现为：', 'Somebody else has changed this meanwhile. It is now:'],
  saveAgain: ['请核对后再次保存；您填写的内容都在。', 'Look at it and save again; what you typed is still here.'],
  backToList: ['返回列表', 'Back to the list'],
  nothingToDo: ['目前没有您可以办理的事项。', 'There is nothing for you to do here now.'],
  wholeRecord: ['全部字段', 'All fields'],
  history: ['经过', 'What happened'],
  theServer: ['服务器', 'The server'],
  // a clue
  evidence: ['证据', 'Evidence'],
  noEvidence: ['尚未关联证据。', 'No evidence is linked yet.'],
  linkEvidence: ['关联证据', 'Link evidence'],
  discredited: ['该证据已被否定', 'This evidence no longer counts'],
  graph: ['关联图', 'What hangs together'],
  asEvidence: ['证据', 'evidence'],
  ofReport: ['所属报告', 'report'],
  mergedInto: ['并入', 'merged'],
  asList: ['以列表查看', 'As a list'],
  caseFile: ['案卷', 'Case file'],
  exportCase: ['导出案卷', 'Export the case file'],
  exportWhy: ['包含线索及其全部依据；访谈仅以化名列出。导出会记入登记簿。', 'The clue with all that it rests on; interviews under their alias alone. That it leaves is noted in the register.'],
  exporting: ['正在整理…', 'It is being put together…'],
  exportedSoFar: ['已收到 {0}', '{0} so far'],
  exported: ['已保存 {0}，SHA-256：', 'Saved {0}, SHA-256:'],
  whoSees: ['谁能看到', 'Who can see it'],
  person: ['人员', 'Person'],
  because: ['依据', 'Because'],
  since: ['自', 'Since'],
  until: ['至 {0}', 'until {0}'],
  by_role: ['角色', 'role'],
  by_grant: ['授权', 'grant'],
  by_mandate: ['委托', 'mandate'],
  recused: ['已回避', 'recused'],
  giveAccess: ['授权查看', 'Let somebody see it'],
  recuse: ['登记回避', 'Declare a recusal'],
  end: ['结束', 'End'],
  // campaigns
  progress: ['进度', 'Progress'],
  stratum: ['分层', 'Stratum'],
  drawn: ['抽取 / 总体', 'Drawn / frame'],
  done: ['完成', 'Done'],
  overdue: ['逾期', 'Overdue'],
  results: ['核查结果', 'Results'],
  inAll: ['合计', 'In all'],
  announcedAt: ['公告', 'Announced'],
  seedHash: ['种子的哈希', 'Hash of the seed'],
  source: ['公开抽签来源', 'Public draw'],
  drawnAt: ['抽取时间', 'Drawn'],
  given: ['公布的种子', 'Seed as given'],
  salt: ['服务器加的盐', 'Salt of the server'],
  seed: ['抽取所用种子', 'Seed of the draw'],
  frameHash: ['总体的哈希', 'Hash of the frame'],
  sampleHash: ['样本的哈希', 'Hash of the sample'],
  seedHere: ['种子（如骰子点数；自行记下，抽样时再公布），下方为其 SHA-256', 'A seed, such as dice: write it down and give it at the draw. Its SHA-256 stands below'],
  droppedFor: ['作废原因', 'Dropped because'],
  drawAgain: ['任何人都能重算：由种子和总体得出同一样本，方法见接口说明中的 drawSample。', 'Anybody can draw it again: seed and frame give the same sample, as drawSample in the API says.'],
  // photos and templates
  similar: ['相似照片', 'Look-alikes'],
  nothingSimilar: ['没有相似照片。', 'No photo looks like it.'],
  samePoint: ['同一取景点', 'same photo point'],
  bitsApart: ['64 位中有 {0} 位不同', '{0} of 64 bits differ'],
  theRecord: ['打开该记录', 'Open the record'],
  stands: ['现值', 'Stands now'],
  cameLater: ['后到的值', 'Came later'],
  wasMeant: ['原本要做的', 'What was meant'],
  isSealed: ['原文已封存，只有提交人可以查看。', 'What it said is sealed; who sent it alone can read it.'],
  restsOnThis: ['以此为据', 'What rests on it'],
  nothingRests: ['没有以此为据的记录。', 'Nothing rests on it.'],
  theReport: ['所属报告', 'Its report'],
  sameBytes: ['另有 {0} 张照片内容完全相同', '{0} other photos have the same bytes'],
  custody: ['保管链', 'Chain of hands'],
  preview: ['手机上的样子', 'As the phone shows it'],
  burden: ['{0} 项（必填 {1}），照片至少 {2} 张，约 {3} 分钟', '{0} items ({1} required), at least {2} photos, about {3} min'],
  // administration
  office: ['单位与空间', 'Office'],
  newPerson: ['新增人员', 'New person'],
  newOrg: ['新增组织', 'New organisation'],
  roles: ['角色', 'Roles'],
  devices: ['设备', 'Devices'],
  deviceActive: ['在用', 'in use'],
  deviceMoving: ['收回中', 'being taken back'],
  deviceMoved: ['已收回', 'taken back'],
  deviceRevoked: ['已停用', 'shut out'],
  noDevice: ['没有设备', 'no device'],
  givePerson: ['请转交本人', 'Give this to the person'],
  shownOnce: ['只显示这一次，服务器不保存明文。', 'It is shown once and kept nowhere.'],
  handedOver: ['已转交', 'Handed over'],
  print: ['打印', 'Print'],
  deviceCode: ['设备代码', 'Device code'],
  passwordCode: ['密码重置代码', 'Password code'],
  leaves: ['离任', 'Leaves'],
  handOver: ['移交工作', 'Hand work over'],
  handedOverN: ['已移交 {0} 项，{1} 项需他人处理。', '{0} moved, {1} left for somebody else.'],
  revoke: ['停用', 'Shut out'],
  moveDevice: ['收回', 'Take back'],
  lastSignIn: ['最近登录 {0}', 'last sign-in {0}'],
  openWork: ['未办结工作', 'Open work'],
  noOpenWork: ['没有未办结的工作。', 'No open work.'],
  signIns: ['登录记录', 'Sign-ins'],
  stillOpen: ['仍在线', 'still open'],
  neverSignedIn: ['从未登录。', 'Never signed in.'],
  org: ['组织', 'Organisation'],
  region: ['地区', 'Region'],
  partners: ['协作组织', 'Partners'],
  space: ['照片空间', 'Space'],
  what: ['操作', 'Do'],
  setAside: ['被搁置的后台任务', 'Jobs set aside'],
  nothingAside: ['没有被搁置的任务。', 'No job was set aside.'],
  triedN: ['已试 {0} 次', 'tried {0} times'],
  // imports
  importTable: ['导入表格', 'Import a table'],
  importWhy: ['XLSX 或 CSV，第一行为列名。先核对每个单元格，再逐行登记；重复导入同一文件不会重复登记。', 'XLSX or CSV, with headings in the first row. Each cell is checked before anything is made; the same file imported again makes nothing twice.'],
  rowsBecome: ['每行登记为', 'Each row becomes'],
  theTable: ['表格文件', 'The table'],
  firstSheet: ['只读取第一张工作表“{0}”。', 'Only the first sheet, “{0}”, is read.'],
  noRows: ['表中没有数据行。', 'The table has no rows.'],
  rowsGood: ['{1} 行中有 {0} 行可以导入。', '{0} of {1} rows can be imported.'],
  columnsMissing: ['缺少必填列：{0}', 'Columns that must be there are missing: {0}'],
  columnIs: ['“{0}”列是', 'Column “{0}” is'],
  leftOut: ['（不导入）', '(left out)'],
  outcome: ['结果', 'Outcome'],
  firstShown: ['只显示前 {0} 行，有误的在前。', 'The first {0} rows are shown, those with faults on top.'],
  importN: ['导入 {0} 行', 'Import {0} rows'],
  made: ['已登记', 'made'],
  madeOf: ['已登记 {0} / {1}', '{0} of {1} were made'],
  failedN: ['{0} 行被拒绝', '{0} were refused'],
  isMissing: ['必填', 'is missing'],
  noNumber: ['不是数字', 'is no number'],
  outOf: ['不在 {0} 至 {1} 之间', 'is not between {0} and {1}'],
  noYesNo: ['应为“是”或“否”', 'is neither yes nor no'],
  noChoice: ['可选：{0}', 'is none of: {0}'],
  noDate: ['不是日期', 'is no date'],
  noRegion: ['应为六位代码', 'is no code of six digits'],
  noneSuch: ['没有这个名称的记录', 'no record is called so'],
  severalSuch: ['有多条同名记录', 'several records are called so'],
  tooLongFor: ['超过 {0} 个字符', 'has over {0} characters'],
  // the first page, and the first set-up
  startOf: ['{0}，您好', 'Hello {0}'],
  unreadNotices: ['未读通知', 'unread notices'],
  myWork: ['我的工作', 'My work'],
  nothingWaitsForYou: ['没有等待您办理的事项。', 'Nothing waits for you.'],
  setUp: ['初始化', 'Set up'],
  setUpWhy: ['这台服务器还没有单位。初始化代码在启动它的控制台上。', 'This server has no organisation yet. The code stands on the console where it was started.'],
})

/** lang is the language of the screens: what was chosen, or the browser's. */
export function lang() {
  const chosen = localStorage.getItem('lang')
  if (chosen === 'zh' || chosen === 'en') return chosen
  return navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en'
}

/** @param {'zh' | 'en'} l */
export function speak(l) {
  localStorage.setItem('lang', l)
  location.reload()
}

/**
 * t is a word or sentence; {0} and so on are replaced.
 * @param {string} key
 * @param {...(string | number)} args
 */
export function t(key, ...args) {
  const both = words[key]
  if (!both) throw new Error('no such word: ' + key)
  return both[lang() === 'zh' ? 0 : 1].replace(/\{(\d)\}/g, (_, n) => String(args[Number(n)] ?? ''))
}

/** @type {{enums: Record<string, {code: string, zh: string, en: string}[]>, kinds: any[], roles: {code: string, zh: string, en: string}[]} | null} */
let named = null

/** name reads what the server calls states and choices; once. */
export async function names() {
  named ??= await get('/v1/enums')
}

/**
 * label is what the server calls a choice; the code where it has no name for it.
 * @param {string} choices such as flagCode
 * @param {string} code
 */
export function label(choices, code) {
  const found = named?.enums[choices]?.find((c) => c.code === code)
  return found ? found[lang()] : code
}

/** roles are those that a person may be given. */
export const roles = () => named?.roles ?? []

/** @param {string} kind @param {string} state */
export function stateOf(kind, state) {
  const found = named?.kinds.find((k) => k.kind === kind)?.states.find((/** @type {any} */ s) => s.code === state)
  return found ? found[lang()] : state
}

/**
 * when shows a time at Beijing, where the log has it in UTC.
 * @param {string | undefined} time
 */
export function when(time) {
  if (!time) return '—'
  const at = new Date(time)
  if (Number.isNaN(at.getTime())) return time
  const parts = Object.fromEntries(new Intl.DateTimeFormat('en-CA', {
    timeZone: 'Asia/Shanghai', year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', hourCycle: 'h23',
  }).formatToParts(at).map((p) => [p.type, p.value]))
  return `${parts.year}-${parts.month}-${parts.day} ${parts.hour}:${parts.minute}`
}

/** @param {number} seconds */
export function span(seconds) {
  if (seconds < 3600) return t('minutes', Math.max(0, Math.round(seconds / 60)))
  if (seconds < 48 * 3600) return t('hours', Math.round(seconds / 3600))
  return t('days', Math.round(seconds / 86400))
}

/** @param {number} bytes */
export function bytes(bytes) {
  return bytes < 1 << 20 ? `${Math.round(bytes / 1024)} KiB` : `${(bytes / (1 << 20)).toFixed(1)} MiB`
}
