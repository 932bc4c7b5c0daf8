package field

// Code is a stable, machine-readable reason. Clients branch on it; its sentences are for people. Add, never rename.
type Code string

// Requests that cannot be used at all.
const (
	CodeInternal         Code = "internal"
	CodeBadJSON          Code = "bad_json"
	CodeTooDeep          Code = "too_deep"
	CodeBadRequest       Code = "bad_request"
	CodeBatchTooLarge    Code = "batch_too_large"
	CodeBodyTooLarge     Code = "body_too_large"
	CodeBodyTruncated    Code = "body_truncated"
	CodeBodySlow         Code = "body_slow"
	CodeBodyTooMany      Code = "body_too_many"
	CodeBodyBusy         Code = "body_busy"
	CodeTooManyStreams   Code = "too_many_streams"
	CodeTooManyUploads   Code = "too_many_uploads"
	CodeTooMuchKept      Code = "too_much_kept"
	CodeLengthRequired   Code = "length_required"
	CodeUnsupportedType  Code = "unsupported_type"
	CodeTokenMissing     Code = "token_missing"
	CodeTokenInvalid     Code = "token_invalid"
	CodeTokenExpired     Code = "token_expired"
	CodeTokenReused      Code = "token_reused"
	CodeCrossSite        Code = "cross_site"
	CodeTLSRequired      Code = "tls_required"
	CodeBadCredentials   Code = "bad_credentials"
	CodeSetupClosed      Code = "setup_closed"
	CodeTokenKeyUnknown  Code = "token_key_unknown"
	CodeDeviceUnknown    Code = "device_not_enrolled"
	CodeInvalidCode      Code = "code_invalid"
	CodeTooManyDevices   Code = "too_many_devices"
	CodeDeviceMoving     Code = "device_moving"
	CodeLastAdmin        Code = "last_administrator"
	CodeWeakPassword     Code = "weak_password"
	CodeTaken            Code = "name_taken"
	CodeForeignDevice    Code = "foreign_device"
	CodeDeviceRevoked    Code = "device_revoked"
	CodeNotFound         Code = "not_found"
	CodeNotPermitted     Code = "not_permitted"
	CodeMethodNotAllowed Code = "method_not_allowed"
	CodeBatchReused      Code = "batch_reused"
	CodeBusy             Code = "busy"
	CodeTooMany          Code = "too_many_requests"
	CodeStoreDown        Code = "store_down"
	CodeStorageFull      Code = "storage_full"
	CodeSpaceLimit       Code = "space_limit"
	CodeOffsetMismatch   Code = "offset_mismatch"
	CodeHashMismatch     Code = "hash_mismatch"
	CodeSizeMismatch     Code = "size_mismatch"
	CodeUploadUnknown    Code = "upload_unknown"
	CodeUploadReplaced   Code = "upload_replaced"
	CodeUploadExpired    Code = "upload_expired"
	CodeTusVersion       Code = "tus_version"
	CodeSealedPutOff     Code = "sealed_put_off"
	CodeSealedPutMissing Code = "sealed_put_missing"
	CodePhotoNotDeclared Code = "photo_not_declared"
	CodeNotAPhoto        Code = "not_a_photo"
	CodePhotoTooBig      Code = "photo_too_big"
	CodeRangeInvalid     Code = "range_invalid"
)

// Operations of a good batch that cannot be applied.
const (
	CodeUnknownKind      Code = "unknown_kind"
	CodeUnknownField     Code = "unknown_field"
	CodeUnknownCommand   Code = "unknown_command"
	CodeUnknownRecord    Code = "unknown_record"
	CodeWrongType        Code = "wrong_type"
	CodeTooLong          Code = "too_long"
	CodeOutOfRange       Code = "out_of_range"
	CodeBadPosition      Code = "bad_position"
	CodeBadTime          Code = "bad_time"
	CodeBadID            Code = "bad_id"
	CodeWrongKind        Code = "wrong_kind"
	CodeWrongScope       Code = "wrong_scope"
	CodeMissingField     Code = "missing_field"
	CodeReadOnlyField    Code = "read_only_field"
	CodeBadChoice        Code = "bad_choice"
	CodeForeignOrg       Code = "foreign_organisation"
	CodeStale            Code = "stale_version"
	CodeNotNow           Code = "state_not_allowed"
	CodeNotEditable      Code = "not_editable"
	CodeVoided           Code = "voided"
	CodePhotosMissing    Code = "photos_missing"
	CodeTwoInspectors    Code = "two_inspectors"
	CodeAnswersMissing   Code = "answers_missing"
	CodeAnswersUnfit     Code = "answers_unfit"
	CodeReviewerIsAuthor Code = "reviewer_is_author"
	CodeSecondPerson     Code = "second_person"
	CodeRecused          Code = "recused"
	CodeReasonMissing    Code = "reason_missing"
	CodeFlagsOpen        Code = "flags_open"
	CodeViolationMissing Code = "violation_missing"
	CodeTemplateState    Code = "template_not_published"
	CodeAsksAgain        Code = "asks_again"
	CodeTooManyPhotos    Code = "too_many_photos"
	CodeDuplicateLink    Code = "duplicate_link"
	CodeIdentityInText   Code = "identity_in_text"
	CodeCannotDo         Code = "cannot_do_this"
	CodeNotYours         Code = "not_yours"
	CodeContentDestroyed Code = "content_destroyed"
	CodeMovedField       Code = "moved_field"
	CodeReportUnfit      Code = "report_unfit"
	CodeSeedNotAnnounced Code = "seed_not_announced"
	CodeTasksOpen        Code = "tasks_open"
	CodePartFrozen       Code = "part_frozen"
	CodePhotosUnexamined Code = "photos_unexamined"
	CodeConflictsOpen    Code = "conflicts_open"
	CodeFlagsUnnamed     Code = "flags_unnamed"
	CodeClueEnded        Code = "clue_ended"
)

type codeSpec struct {
	kind   ErrorKind
	en, zh string
}

var codes = map[Code]codeSpec{
	CodeInternal:         {ErrorInternal, "The server failed. Try again; if it goes on, give the request id to the operator.", "服务器出错，请重试；若持续出现，请将请求编号告知运维人员。"},
	CodeBadJSON:          {ErrorInvalid, "The body is not valid JSON. Send it again as documented.", "请求内容不是有效的 JSON，请按接口文档重新发送。"},
	CodeTooDeep:          {ErrorInvalid, "The JSON is nested too deeply. Send at most 32 levels.", "JSON 嵌套过深，最多 32 层。"},
	CodeBadRequest:       {ErrorInvalid, "The request does not have the documented shape.", "请求格式与接口文档不符。"},
	CodeBatchTooLarge:    {ErrorTooLarge, "The batch is over 500 operations or 1 MiB. Split it and send the parts under new batch numbers.", "批次超过 500 条操作或 1 MiB，请拆分后用新的批次号发送。"},
	CodeBodyTooLarge:     {ErrorTooLarge, "The body is larger than this route takes.", "请求内容超过此接口的上限。"},
	CodeBodyTruncated:    {ErrorInvalid, "The body ended before its declared length. Send it again.", "请求内容未达到声明长度即中断，请重新发送。"},
	CodeBodySlow:         {ErrorTimeout, "The body stopped arriving. Resume when the link is better.", "请求内容长时间未到达，请在网络好转后续传。"},
	CodeBodyTooMany:      {ErrorTooMany, "You are sending too much at once. Let some of it finish, then go on after the time in Retry-After.", "您同时发送的内容过多，请待部分完成后，按 Retry-After 继续。"},
	CodeBodyBusy:         {ErrorBusy, "The server is receiving as much as it can hold. What was received stays; go on after the time in Retry-After.", "服务器正在接收的内容已达上限，已接收的部分会保留，请按 Retry-After 继续。"},
	CodeTooManyStreams:   {ErrorTooMany, "You have as many live event streams open as one person may. Close one, or ask at intervals.", "您打开的实时事件流已达个人上限，请关闭一个，或改为定时拉取。"},
	CodeTooManyUploads:   {ErrorTooMany, "You have begun as many uploads as one person may. Finish one or end it, then begin the next.", "您已开始而未完成的上传已达个人上限，请先完成或终止一个，再开始下一个。"},
	CodeTooMuchKept:      {ErrorTooMany, "As much of what you sent is kept undecided as may be. Keep this batch and send it again when some of it has been decided.", "您提交的内容中待处理的留存操作已达上限，请保留本批内容，待部分处理后重新发送。"},
	CodeLengthRequired:   {ErrorLengthRequired, "Send a Content-Length; chunked bodies are not taken.", "请提供 Content-Length，不接受分块传输。"},
	CodeUnsupportedType:  {ErrorUnsupported, "This route does not take that content type.", "此接口不接受该内容类型。"},
	CodeTokenMissing:     {ErrorUnauthenticated, "Sign in and send the access token as a Bearer token.", "请登录，并以 Bearer 方式携带访问令牌。"},
	CodeTokenInvalid:     {ErrorUnauthenticated, "The token is not valid. Sign in again.", "令牌无效，请重新登录。"},
	CodeTokenExpired:     {ErrorUnauthenticated, "The token has expired. Refresh it and repeat the request.", "令牌已过期，请刷新后重试。"},
	CodeTokenReused:      {ErrorUnauthenticated, "This refresh token was used before. The session is closed; sign in again.", "刷新令牌已被使用过，会话已关闭，请重新登录。"},
	CodeCrossSite:        {ErrorForbidden, "Another site asks in your name, and that is refused. Open the page of this server and do it there.", "请求来自其他网站，已被拒绝。请打开本系统的页面操作。"},
	CodeTLSRequired:      {ErrorForbidden, "A browser signs in only over https. Open this page by its https address.", "浏览器只能通过 https 登录，请使用本系统的 https 地址。"},
	CodeBadCredentials:   {ErrorUnauthenticated, "Name or password is wrong.", "用户名或密码错误。"},
	CodeSetupClosed:      {ErrorForbidden, "The server is set up already, or the setup code is wrong.", "服务器已完成初始化，或初始化代码错误。"},
	CodeWeakPassword:     {ErrorInvalid, "Choose a longer password: at least 12 characters, no common word or pattern alone, nothing made of your name, sign-in name or organisation.", "请换一个更长的密码：至少 12 个字符，不得为常见词语或规律组合，也不得由姓名、登录名或单位名构成。"},
	CodeTokenKeyUnknown:  {ErrorUnauthenticated, "The token names a key that this server does not have, or no longer. Refresh it and repeat the request.", "令牌所用的密钥不属于本服务器或已停用，请刷新令牌后重试。"},
	CodeDeviceUnknown:    {ErrorForbidden, "This device is not enrolled. Ask your administrator for a one-time code and sign in with it.", "该设备尚未登记，请向管理员索取一次性代码后登录。"},
	CodeInvalidCode:      {ErrorForbidden, "The one-time code is wrong, was used, or has expired. Ask your administrator for a new one.", "一次性代码错误、已使用或已过期，请向管理员重新索取。"},
	CodeTooManyDevices:   {ErrorState, "The person has as many devices as one may have. Revoke or move one first.", "该人员的设备数量已达上限，请先吊销或移交一台。"},
	CodeDeviceMoving:     {ErrorForbidden, "This device is being moved to somebody else. Hand in the outbox and the photos; nothing more can be read.", "该设备正在移交，请先交清发件箱和照片；不能再读取其他内容。"},
	CodeLastAdmin:        {ErrorState, "This is the last administrator of the organisation. Make another one first.", "这是本组织最后一名系统管理员，请先设置另一名。"},
	CodeTaken:            {ErrorConflict, "This name is taken. Choose another.", "该名称已被使用，请另选。"},
	CodeForeignDevice:    {ErrorForbidden, "The device in the request is not the device of the token.", "请求中的设备与令牌所属设备不一致。"},
	CodeDeviceRevoked:    {ErrorForbidden, "This device has been revoked. Erase its data and hand it in.", "该设备已被吊销，请清除数据并上交。"},
	CodeNotFound:         {ErrorNotFound, "There is no such thing here, or you may not see it.", "不存在，或您无权查看。"},
	CodeNotPermitted:     {ErrorForbidden, "Your role does not allow this here.", "您的角色在此处无此权限。"},
	CodeMethodNotAllowed: {ErrorInvalid, "This route does not have that method.", "此接口不支持该方法。"},
	CodeBatchReused:      {ErrorConflict, "This batch number was used with other content. Keep the outbox and send it under a new number.", "该批次号已用于其他内容，请保留发件箱并使用新的批次号发送。"},
	CodeBusy:             {ErrorBusy, "The server is busy. Try again after the time in Retry-After.", "服务器繁忙，请按 Retry-After 稍后重试。"},
	CodeTooMany:          {ErrorTooMany, "Too many requests. Try again after the time in Retry-After.", "请求过于频繁，请按 Retry-After 稍后重试。"},
	CodeStoreDown:        {ErrorBusy, "The store does not answer. Nothing was changed; try again later.", "存储暂不可用，未作任何更改，请稍后重试。"},
	CodeStorageFull:      {ErrorFull, "There is no room to store this. What was received stays; tell the operator.", "存储空间不足，已接收的内容会保留，请告知运维人员。"},
	CodeSpaceLimit:       {ErrorFull, "The organisation has used up its space for photos. The photo stays on the phone; uploads that were begun go on. Ask the administrator for room.", "本组织的照片存储空间已用完。照片保留在手机上，已开始的上传可继续；请联系管理员扩容。"},
	CodeOffsetMismatch:   {ErrorConflict, "The offset is not where the upload stands. Ask with HEAD and go on from there.", "偏移量与服务器不一致，请用 HEAD 查询后续传。"},
	CodeHashMismatch:     {ErrorMismatch, "The bytes are not those that were declared. Send the original file again from the start.", "文件内容与声明的哈希不符，请从头重新上传原始文件。"},
	CodeSizeMismatch:     {ErrorInvalid, "The size is not the one that was declared.", "文件大小与声明不符。"},
	CodeUploadUnknown:    {ErrorNotFound, "There is no such upload. Create it anew.", "没有该上传任务，请重新创建。"},
	CodeUploadReplaced:   {ErrorConflict, "A newer request took this upload over.", "该上传已被更新的请求接管。"},
	CodeUploadExpired:    {ErrorNotFound, "The upload has expired. Create it anew.", "上传任务已过期，请重新创建。"},
	CodeTusVersion:       {ErrorUnsupported, "Send Tus-Resumable: 1.0.0.", "请发送 Tus-Resumable: 1.0.0。"},
	CodeSealedPutOff:     {ErrorState, "This server gives no addresses for sealed puts. Upload the photo through /v1/uploads.", "本服务器不提供直传地址，请通过 /v1/uploads 上传。"},
	CodeSealedPutMissing: {ErrorState, "Nothing has arrived at the sealed address. Put the bytes there, or upload them through /v1/uploads.", "直传地址尚未收到任何内容，请先直传，或通过 /v1/uploads 上传。"},
	CodePhotoNotDeclared: {ErrorNotFound, "Declare the photo through sync before uploading its bytes.", "请先通过同步声明照片，再上传内容。"},
	CodeNotAPhoto:        {ErrorInvalid, "The file is not of the declared type.", "文件与声明的类型不符。"},
	CodePhotoTooBig:      {ErrorTooLarge, "The image has too many pixels, or the file is over 64 MiB.", "图像像素过多，或文件超过 64 MiB。"},
	CodeRangeInvalid:     {ErrorInvalid, "The requested range lies outside the file.", "请求的范围超出文件。"},

	CodeUnknownKind:      {ErrorInvalid, "This server does not know this kind of record. It is kept for review.", "服务器不识别该记录类型，已留存待查。"},
	CodeUnknownField:     {ErrorInvalid, "This kind of record has no such field.", "该记录类型没有此字段。"},
	CodeUnknownCommand:   {ErrorInvalid, "This kind of record has no such command.", "该记录类型没有此操作。"},
	CodeUnknownRecord:    {ErrorNotFound, "The record is not known here. The operation is kept for review.", "服务器没有该记录，操作已留存待查。"},
	CodeWrongType:        {ErrorInvalid, "A value does not have the type of its field.", "字段值类型错误。"},
	CodeTooLong:          {ErrorInvalid, "A text or list is over its limit.", "文本或列表超过上限。"},
	CodeOutOfRange:       {ErrorInvalid, "A number is out of its range.", "数值超出范围。"},
	CodeBadPosition:      {ErrorInvalid, "The position is not a place on Earth with an accuracy.", "位置不是地球上带精度的一点。"},
	CodeBadTime:          {ErrorInvalid, "A time is not RFC 3339 with an offset, or not one that can be meant here.", "时间不符合 RFC 3339（须带时区），或不合此处要求。"},
	CodeBadID:            {ErrorInvalid, "An id is not a lower-case UUID of version 7, or it is one of the server's.", "编号不是小写的第 7 版 UUID，或为服务器保留的编号。"},
	CodeWrongKind:        {ErrorInvalid, "An id belongs to a record of another kind.", "编号属于另一类记录。"},
	CodeWrongScope:       {ErrorInvalid, "The record does not belong to this scope.", "记录不属于该范围。"},
	CodeMissingField:     {ErrorInvalid, "A required field is missing.", "缺少必填字段。"},
	CodeReadOnlyField:    {ErrorInvalid, "This field is written by the server or by a command only.", "该字段只能由服务器写入，或随相应操作写入。"},
	CodeBadChoice:        {ErrorInvalid, "The value is not one of the choices.", "取值不在可选范围内。"},
	CodeForeignOrg:       {ErrorForbidden, "The record belongs to another organisation.", "记录属于其他组织。"},
	CodeStale:            {ErrorConflict, "The record has changed since you saw it. Read it again and decide again.", "记录已被更改，请重新读取后再决定。"},
	CodeNotNow:           {ErrorState, "The state of the record does not allow this command.", "记录当前状态不允许此操作。"},
	CodeNotEditable:      {ErrorState, "The record can no longer be edited in its state. The edit is kept for review.", "记录在当前状态下不可编辑，修改已留存待查。"},
	CodeVoided:           {ErrorState, "The record was voided. The operation is kept for review.", "记录已作废，操作已留存待查。"},
	CodePhotosMissing:    {ErrorState, "Not every declared photo has arrived. Upload the rest, then submit again.", "声明的照片尚未全部到达，请补传后再提交。"},
	CodeTwoInspectors:    {ErrorState, "A visit has at least two inspectors.", "检查须至少两人。"},
	CodeAnswersMissing:   {ErrorState, "Required items are unanswered. Answer them, or say why it cannot be obtained.", "必答项未填写，请填写或说明无法取得的原因。"},
	CodeAnswersUnfit:     {ErrorState, "Answers do not fit the checklist: another type, or none of the choices. Correct them, or say why it cannot be obtained.", "有回答与检查清单不符（类型不对或不在选项内），请更正，或说明无法取得的原因。"},
	CodeReviewerIsAuthor: {ErrorForbidden, "The reviewer may not be one of the authors.", "审核人不得是作者之一。"},
	CodeSecondPerson:     {ErrorForbidden, "This needs a second person.", "此操作须由另一人完成。"},
	CodeRecused:          {ErrorForbidden, "You are recused from this.", "您须回避此事项。"},
	CodeReasonMissing:    {ErrorInvalid, "Give a reason.", "请说明理由。"},
	CodeFlagsOpen:        {ErrorState, "A blocking flag is undecided. Decide it first.", "有阻断性标记未处理，请先处理。"},
	CodeViolationMissing: {ErrorState, "Name the violation type before making a clue.", "转为问题线索前须注明违规违纪类型。"},
	CodeTemplateState:    {ErrorState, "The template is not published.", "检查清单模板未发布。"},
	CodeAsksAgain:        {ErrorState, "The template asks again for what an import holds already.", "模板重复询问台账已有内容。"},
	CodeTooManyPhotos:    {ErrorState, "The item takes fewer photos than this.", "该事项的照片数量超过上限。"},
	CodeDuplicateLink:    {ErrorConflict, "This evidence is linked there already.", "该证据已关联。"},
	CodeCannotDo:         {ErrorState, "This person cannot do that work here: it takes the role, the organisation and the place. Choose somebody else.", "该人员无法在此承担此项工作（需具备相应角色、单位与范围），请另选他人。"},
	CodeNotYours:         {ErrorForbidden, "The record is somebody else's. Its author, or who the report names as inspector, does this.", "该记录属于他人，应由其作者或报告中列明的检查人员办理。"},
	CodeContentDestroyed: {ErrorState, "What was written was destroyed. That it was, when and why stands in the record.", "原文已被销毁；销毁的时间和理由见该记录。"},
	CodeReportUnfit:      {ErrorState, "The report is not the visit for which the task was made.", "该报告不是此任务要求的走访报告。"},
	CodeSeedNotAnnounced: {ErrorState, "Announce first how the seed comes about: its hash, or a public draw of a later day. Then draw with what was announced.", "请先公布种子的产生办法（种子的哈希，或之后某日的公开摇号），再按所公布的办法抽样。"},
	CodeTasksOpen:        {ErrorState, "Tasks of the campaign are still open. Finish, excuse, cancel or mark them as missed first.", "回头看尚有未了结的任务，请先完成、免访、取消或记为逾期。"},
	CodePartFrozen:       {ErrorState, "The report that this belongs to was handed in or has ended, and its parts with it. What was sent is kept for its reviewer.", "所属报告已提交或已办结，其照片、笔录和问题不能再更改；所发内容已留存，供审核人员查看。"},
	CodePhotosUnexamined: {ErrorState, "Photos of the report are still being examined. Approve it when they are.", "报告的照片仍在检验中，请待检验完成后再通过。"},
	CodeConflictsOpen:    {ErrorState, "Two versions of something in the report stand side by side. Resolve these conflicts first.", "报告中有内容并存两个版本，请先处理这些冲突。"},
	CodeFlagsUnnamed:     {ErrorState, "Flags of severity high are undecided. Decide them, or name each in the approval.", "有高等级标记未处理，请先处理，或在通过时逐一列明。"},
	CodeClueEnded:        {ErrorState, "The clue has come to its end and takes nothing more. Choose one that stands.", "该问题线索已办结、并案或作废，请另选仍在办理的线索。"},
	CodeMovedField:       {ErrorInvalid, "The field is kept in another place now. Update the app.", "该字段已改存他处，请更新应用。"},
	CodeIdentityInText:   {ErrorInvalid, "A text holds an ID, phone or bank card number. Identities belong in the vault, not in a text.", "文本中含有身份证号、电话号码或银行卡号；身份信息应存入保密库，不得写入任何文本。"},
}

// Kind is the kind that errors of this code have.
func (c Code) Kind() ErrorKind {
	if s, ok := codes[c]; ok {
		return s.kind
	}
	return ErrorInternal
}

// Sentence is what a person is told, in English.
func (c Code) Sentence() string { return codes[c].en }

// SentenceZH is what a person is told, in Chinese.
func (c Code) SentenceZH() string { return codes[c].zh }

// Codes lists every code.
func Codes() []Code {
	all := make([]Code, 0, len(codes))
	for c := range codes {
		all = append(all, c)
	}
	return all
}
