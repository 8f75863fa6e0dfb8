<?xml version="1.0"?>
<!-- SPDX-License-Identifier: GPL-3.0-or-later

     The disks of a domain, eight lines for each: target, device, type, format, path,
     pool, volume, and words about what prevents a copy.  No value can pretend to
     be two lines: a line feed in one becomes U+FFFD, which no path contains. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="text" encoding="UTF-8"/>

  <xsl:template match="/">
    <xsl:for-each select="/domain/devices/disk">
      <xsl:call-template name="line"><xsl:with-param name="of" select="target/@dev"/></xsl:call-template>
      <xsl:call-template name="line">
        <xsl:with-param name="of">
          <xsl:value-of select="@device"/>
          <xsl:if test="not(@device)">disk</xsl:if>
        </xsl:with-param>
      </xsl:call-template>
      <xsl:call-template name="line"><xsl:with-param name="of" select="@type"/></xsl:call-template>
      <xsl:call-template name="line"><xsl:with-param name="of" select="driver/@type"/></xsl:call-template>
      <xsl:call-template name="line"><xsl:with-param name="of" select="source/@file | source/@dev"/></xsl:call-template>
      <xsl:call-template name="line"><xsl:with-param name="of" select="source/@pool"/></xsl:call-template>
      <xsl:call-template name="line"><xsl:with-param name="of" select="source/@volume"/></xsl:call-template>
      <xsl:if test="shareable">shareable </xsl:if>
      <xsl:if test="transient">transient </xsl:if>
      <xsl:if test="encryption | source/encryption">encryption </xsl:if>
      <xsl:if test="auth | source/auth">auth </xsl:if>
      <xsl:if test="backingStore/source">backing </xsl:if>
      <xsl:if test="source/slices">slices </xsl:if>
      <xsl:text>&#10;</xsl:text>
    </xsl:for-each>
  </xsl:template>

  <xsl:template name="line">
    <xsl:param name="of"/>
    <xsl:value-of select="translate($of, '&#10;&#13;', '&#xfffd;&#xfffd;')"/>
    <xsl:text>&#10;</xsl:text>
  </xsl:template>
</xsl:stylesheet>
